"""A circuit breaker with the semantics of resilience4j, and probes that are counted exactly."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from types import TracebackType
from typing import NamedTuple, Self

from airboss.domain.provider_policies import BreakerPolicy
from airboss.ports.clock import Clock

#: A guess: how long the probes that are out will take is not known.
PROBING_RETRY_AFTER_SECONDS = 1.0


class BreakerState(StrEnum):
    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class BreakerOpenError(Exception):
    """No call is let out for so long; while probes are out, the time is `PROBING_RETRY_AFTER_SECONDS`."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"the breaker lets no call out for {retry_after_seconds:g} s")
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True, slots=True)
class BreakerSnapshot:
    """A breaker for display: while it is open, the counts are those that opened it.

    `retry_after_seconds` is None while calls pass freely, and 0 when the next one becomes a probe.
    """

    state: BreakerState
    calls: int
    failures: int
    slow_calls: int
    retry_after_seconds: float | None


class _Call(NamedTuple):
    failed: bool
    slow: bool


class _Told(NamedTuple):
    failed: bool
    seconds: float


class Permit:
    """Leave for one logical call: the first thing told of it counts, leaving the block untold ignores it."""

    __slots__ = ("_tell", "is_probe")

    def __init__(self, tell: Callable[[_Told | None], None], *, is_probe: bool = False) -> None:
        self._tell: Callable[[_Told | None], None] | None = tell
        self.is_probe = is_probe

    def succeed(self, seconds: float) -> None:
        self._settle(_Told(failed=False, seconds=seconds))

    def fail(self, seconds: float) -> None:
        self._settle(_Told(failed=True, seconds=seconds))

    def ignore(self) -> None:
        """Give the permit back uncounted, as after a cancellation."""
        self._settle(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._settle(None)

    def __del__(self) -> None:
        # One probe that is dropped before its block is entered would keep the breaker half open for ever.
        self._settle(None)

    def _settle(self, told: _Told | None) -> None:
        tell, self._tell = self._tell, None
        if tell is not None:
            tell(told)


class Breaker:
    """Judges the latest logical calls, and leaves a provider alone that fails or drags.

    An open breaker whose time is over stays open until somebody asks for a permit, who becomes the first
    probe: the state changes with calls alone, so that it, its events and its metric cannot disagree.

    Where resilience4j judges probes as soon as `minimum_calls` of them have ended, all are waited for here,
    except when those that went wrong are enough whatever the others bring. A rate of 0 opens at the first
    call that fails or drags, not without one.

    `on_change(old, new)` is called last, when the breaker can be used again; it must not raise.
    """

    def __init__(
        self, policy: BreakerPolicy, clock: Clock, on_change: Callable[[BreakerState, BreakerState], None]
    ) -> None:
        self._policy = policy
        self._clock = clock
        self._on_change = on_change
        self._state = BreakerState.CLOSED
        self._window = _Window(policy.window_calls)
        self._probes_out = 0
        self._probes_at = 0.0
        # Grows with each change: what a permit from before it tells belongs to a state that is over.
        self._generation = 0

    @property
    def state(self) -> BreakerState:
        return self._state

    def permit(self) -> Permit:
        """Let one call out, or raise `BreakerOpenError`."""
        if self._state is BreakerState.OPEN and self._open_seconds_left() <= 0:
            self._change(BreakerState.HALF_OPEN)
        if wait_seconds := self._retry_after_seconds():
            raise BreakerOpenError(wait_seconds)
        is_probe = self._state is BreakerState.HALF_OPEN
        if is_probe:
            self._probes_out += 1
        return Permit(partial(self._settle, self._generation), is_probe=is_probe)

    def snapshot(self) -> BreakerSnapshot:
        window = self._window
        return BreakerSnapshot(
            self._state, len(window), window.failures, window.slow, self._retry_after_seconds()
        )

    def _settle(self, generation: int, told: _Told | None) -> None:
        if generation != self._generation:
            return
        if self._state is BreakerState.HALF_OPEN:
            self._probes_out -= 1
        if told is None:
            return
        self._window.add(_Call(told.failed, told.seconds > self._policy.slow_call_seconds))
        judged = self._judge_probes() if self._state is BreakerState.HALF_OPEN else self._judge_window()
        if judged is not self._state:
            self._change(judged)

    def _judge_window(self) -> BreakerState:
        calls = len(self._window)
        enough = calls >= min(self._policy.minimum_calls, self._policy.window_calls)
        return BreakerState.OPEN if enough and self._is_bad(calls) else BreakerState.CLOSED

    def _judge_probes(self) -> BreakerState:
        probes = self._policy.half_open_calls
        if self._is_bad(probes):
            return BreakerState.OPEN
        return BreakerState.CLOSED if len(self._window) == probes else BreakerState.HALF_OPEN

    def _is_bad(self, calls: int) -> bool:
        window, policy = self._window, self._policy
        return _reaches(window.failures, calls, policy.failure_rate) or _reaches(
            window.slow, calls, policy.slow_rate
        )

    def _change(self, new: BreakerState) -> None:
        old, self._state = self._state, new
        self._generation += 1
        self._probes_out = 0
        if new is BreakerState.OPEN:
            self._probes_at = self._clock.monotonic() + self._policy.open_seconds
        else:
            half_open = new is BreakerState.HALF_OPEN
            self._window = _Window(self._policy.half_open_calls if half_open else self._policy.window_calls)
        self._on_change(old, new)

    def _retry_after_seconds(self) -> float | None:
        if self._state is BreakerState.CLOSED:
            return None
        if self._state is BreakerState.OPEN:
            return max(0.0, self._open_seconds_left())
        is_place_free = len(self._window) + self._probes_out < self._policy.half_open_calls
        return 0.0 if is_place_free else PROBING_RETRY_AFTER_SECONDS

    def _open_seconds_left(self) -> float:
        return self._probes_at - self._clock.monotonic()


class _Window:
    """The latest calls, and how many of them failed or were slow."""

    def __init__(self, size: int) -> None:
        self._calls: deque[_Call] = deque()
        self._size = size
        self.failures = 0
        self.slow = 0

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: _Call) -> None:
        if len(self._calls) == self._size:
            oldest = self._calls.popleft()
            self.failures -= oldest.failed
            self.slow -= oldest.slow
        self._calls.append(call)
        self.failures += call.failed
        self.slow += call.slow


def _reaches(part: int, whole: int, rate: float) -> bool:
    # Divided, not multiplied: 3 / 30 is the very number 0.1, while 0.1 * 30 is a little more than 3.
    return part > 0 and part / whole >= rate
