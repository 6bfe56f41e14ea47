"""The one way a call takes to a provider: limits(breaker(deadline(retry(attempt))))."""

import random
from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from airboss.domain.errors import JobFailure
from airboss.domain.providers import ProviderSpec
from airboss.ports.clock import Clock
from airboss.ports.provider_watch import ProviderWatch
from airboss.providers.answer_check import AnswerCheck
from airboss.providers.checked_transport import Attempt, current_attempt
from airboss.providers.faults import ProviderFault, bad_answer, timed_out
from airboss.resilience.breaker import Breaker, BreakerOpenError, BreakerState
from airboss.resilience.call_limiter import CallLimiter
from airboss.resilience.deadline import Deadline
from airboss.resilience.retry_budget import RetryBudget
from airboss.resilience.retry_wait import RetryWait

#: An answer that is whole is not spoilt by a body that does not end; reading on keeps its connection.
_DRAIN_SECONDS = 0.1

E = TypeVar("E")
#: Asks the provider once; the client's errors come out as they are.
Ask = Callable[[], AsyncGenerator[E]]


@dataclass(frozen=True, slots=True)
class Reading(Generic[E]):
    """What the path has to know of a client's events and errors."""

    is_output: Callable[[E], bool]
    is_end: Callable[[E], bool]
    fault_of: Callable[[Exception], ProviderFault | None]


@dataclass(slots=True)
class _Call:
    """One logical call with its retries."""

    model: str
    is_probe: bool
    began: float
    deadline: float
    attempts: int = 0


@dataclass(slots=True)
class _Opened(Generic[E]):
    """An attempt that has begun to answer."""

    attempt: Attempt
    stream: AsyncGenerator[E]
    deadline: Deadline
    limit: str
    head: list[E] = field(default_factory=list)


class CallPath:
    """One per provider: its limits, budget and breakers are shared by all jobs."""

    def __init__(
        self,
        spec: ProviderSpec,
        *,
        clock: Clock,
        watch: ProviderWatch,
        random_unit: Callable[[], float] = random.random,
    ) -> None:
        self.spec = spec
        self._clock = clock
        self._watch = watch
        self.limiter = CallLimiter(spec.limits, clock)
        self._budget = RetryBudget(spec.retry, clock)
        self._wait = RetryWait(spec.retry, random_unit)
        self.breakers: dict[str, Breaker] = {}

    async def stream(self, model: str, ask: Ask[E], reading: Reading[E]) -> AsyncGenerator[E]:
        """Pass one logical call; raises `JobFailure` with a documented code."""
        breaker = self._breaker(model)
        # Nobody should wait for a slot, or spend the rate, to be told at its end that nothing is let out.
        if seconds := breaker.snapshot().retry_after_seconds:
            raise self._breaker_open(model, seconds)
        async with self.limiter.slot():
            try:
                with breaker.permit() as permit:
                    began = self._clock.monotonic()
                    call = _Call(model, permit.is_probe, began, began + self.spec.timeouts.total_seconds)
                    self._budget.record_call()
                    try:
                        async with aclosing(self._answer(call, ask, reading)) as events:
                            async for event in events:
                                if reading.is_end(event):
                                    # Whoever reads may stop at the end and never come back here.
                                    permit.succeed(self._clock.monotonic() - began)
                                yield event
                    except ProviderFault as fault:
                        if fault.counts:
                            permit.fail(self._clock.monotonic() - began)
                        raise
            except BreakerOpenError as error:
                raise self._breaker_open(model, error.retry_after_seconds) from None
            except ProviderFault as fault:
                raise fault.to_failure(self.spec.name) from None

    async def _answer(self, call: _Call, ask: Ask[E], reading: Reading[E]) -> AsyncGenerator[E]:
        opened = await self._open_with_retries(call, ask, reading)
        try:
            event: E | None
            for event in opened.head:
                if reading.is_end(event):
                    self._ended(opened.attempt, "ok")
                yield event
            while not opened.attempt.is_told:
                event = await self._next(opened, reading)
                if event is None:
                    raise bad_answer("broke off without its last event")
                if reading.is_end(event):
                    self._ended(opened.attempt, "ok")
                yield event
            await self._drain(opened, reading)
        except ProviderFault as fault:
            self._ended(opened.attempt, fault.code)
            raise
        except (CancelledError, GeneratorExit):
            self._ended(opened.attempt, "cancelled")
            raise
        finally:
            await self._close(opened)

    async def _drain(self, opened: _Opened[E], reading: Reading[E]) -> None:
        opened.deadline.shorten(_DRAIN_SECONDS)
        with suppress(ProviderFault):
            while await self._next(opened, reading) is not None:
                pass

    async def _open_with_retries(self, call: _Call, ask: Ask[E], reading: Reading[E]) -> _Opened[E]:
        try:
            return await self._open(call, ask, reading)
        except ProviderFault as fault:
            failed = [fault]

        async def again() -> _Opened[E]:
            if failed:
                raise failed.pop()
            return await self._open(call, ask, reading)

        # Only what failed pays for tenacity: setting it up costs more than the rest of the path (ADR 33).
        return await AsyncRetrying(
            retry=retry_if_exception(lambda error: self._may_retry(call, error)),
            wait=lambda state: self._seconds_before(call, state),
            sleep=self._clock.sleep,
            reraise=True,
        )(again)

    async def _open(self, call: _Call, ask: Ask[E], reading: Reading[E]) -> _Opened[E]:
        """Make one attempt and wait for its first output: until then it can be made again."""
        call.attempts += 1
        check = AnswerCheck(self.spec.api, self.spec.max_answer_bytes)
        attempt = Attempt(self.spec.name, call.model, check, began=self._clock.monotonic())
        token = current_attempt.set(attempt)
        opened = self._opened(call, attempt, ask())
        try:
            while (event := await self._next(opened, reading)) is not None:
                opened.head.append(event)
                if reading.is_output(event) or reading.is_end(event):
                    return opened
            check.end()
        except ProviderFault as fault:
            self._ended(attempt, fault.code)
            await self._close(opened)
            raise
        except BaseException as error:
            if isinstance(error, CancelledError):
                self._ended(attempt, "cancelled")
            await self._close(opened)
            raise
        finally:
            current_attempt.reset(token)
        return opened

    def _opened(self, call: _Call, attempt: Attempt, stream: AsyncGenerator[E]) -> _Opened[E]:
        timeouts = self.spec.timeouts
        left_seconds = call.deadline - attempt.began
        if left_seconds <= timeouts.attempt_seconds:
            return _Opened(attempt, stream, Deadline(left_seconds), f"total of {timeouts.total_seconds:g} s")
        limit = f"{timeouts.attempt_seconds:g} s"
        return _Opened(attempt, stream, Deadline(timeouts.attempt_seconds), limit)

    async def _next(self, opened: _Opened[E], reading: Reading[E]) -> E | None:
        """Wait for the next event within the deadline: a drip must not outlast it. None is the end."""
        try:
            with opened.deadline:
                return await anext(opened.stream, None)
        except TimeoutError:
            raise timed_out(f"did not answer whole within its {opened.limit}") from None
        except (ProviderFault, JobFailure):
            raise
        except Exception as error:
            fault = reading.fault_of(error)
            if fault is None:
                raise
            raise fault from None

    def _may_retry(self, call: _Call, error: BaseException) -> bool:
        """Spend a retry where it is safe, in time and in budget."""
        if not isinstance(error, ProviderFault) or not error.is_retryable:
            return False
        if error.code == "provider_rate_limited":
            self._watch.on_throttled(self.spec.name, call.model)
        left_seconds = call.deadline - self._clock.monotonic()
        if not self._wait.is_worth_it(error.retry_after_seconds, left_seconds):
            if error.retry_after_seconds is not None:
                error.code = "provider_rate_limited"
            return False
        if call.is_probe and error.counts:
            # The breaker asked whether the provider is back, and has its answer.
            return False
        return call.attempts < self.spec.retry.max_attempts and self._budget.try_spend()

    def _seconds_before(self, call: _Call, state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked_seconds = error.retry_after_seconds if isinstance(error, ProviderFault) else None
        return self._wait.seconds(call.attempts, asked_seconds, call.deadline - self._clock.monotonic())

    async def _close(self, opened: _Opened[Any]) -> None:
        """Close what is open of an attempt, whoever is cancelled meanwhile."""
        opened.deadline.close()
        try:
            await opened.stream.aclose()
        finally:
            await opened.attempt.close()

    def _ended(self, attempt: Attempt, outcome: str) -> None:
        if not attempt.is_told:
            attempt.is_told = True
            self._watch.on_call(self.spec.name, outcome, self._clock.monotonic() - attempt.began)

    def _breaker(self, model: str) -> Breaker:
        breaker = self.breakers.get(model)
        if breaker is None:

            def on_change(old: BreakerState, new: BreakerState) -> None:  # noqa: ARG001 - told both
                self._watch.on_breaker(self.spec.name, model, new.value)

            breaker = self.breakers[model] = Breaker(self.spec.breaker, self._clock, on_change)
        return breaker

    def _breaker_open(self, model: str, seconds: float) -> JobFailure:
        return JobFailure(
            "breaker_open",
            f"provider '{self.spec.name}' failed too often for model '{model}' and is left alone",
            {"provider": self.spec.name, "model": model, "retry_after_seconds": seconds},
        )
