"""A breaker opens by its rates, lets out as many probes as it should, and loses none."""

import asyncio
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.support.clock import FakeClock

from airboss.domain.provider_policies import BreakerPolicy
from airboss.resilience.breaker import (
    PROBING_RETRY_AFTER_SECONDS,
    Breaker,
    BreakerOpenError,
    BreakerSnapshot,
    BreakerState,
    Permit,
)

POLICY = BreakerPolicy(
    window_calls=20,
    minimum_calls=5,
    failure_rate=0.5,
    slow_call_seconds=30.0,
    slow_rate=1.0,
    open_seconds=15.0,
    half_open_calls=1,
)
CLOSED, HALF_OPEN, OPEN = BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN


class Bench:
    """A breaker, its clock, and the changes it told."""

    def __init__(self, policy: BreakerPolicy = POLICY) -> None:
        self.policy = policy
        self.clock = FakeClock()
        self.changes: list[tuple[BreakerState, BreakerState]] = []
        self.breaker = Breaker(policy, self.clock, lambda old, new: self.changes.append((old, new)))

    def call(self, outcomes: str) -> None:
        """Make calls one after the other: good, failed, slow, slow and failed (x), ignored."""
        for outcome in outcomes:
            tell(self.breaker.permit(), outcome, self.policy)

    def open(self) -> None:
        self.call("f" * min(self.policy.minimum_calls, self.policy.window_calls))
        assert self.breaker.state is OPEN

    def open_and_wait(self) -> None:
        self.open()
        self.clock.advance(self.policy.open_seconds)


def tell(permit: Permit, outcome: str, policy: BreakerPolicy = POLICY) -> None:
    seconds = policy.slow_call_seconds * 2 if outcome in "sx" else 0.1
    with permit:
        if outcome in "gs":
            permit.succeed(seconds)
        elif outcome in "fx":
            permit.fail(seconds)
        elif outcome == "i":
            permit.ignore()


@pytest.mark.parametrize(
    ("outcomes", "expected", "changes"),
    [
        ("", CLOSED, {}),
        ("ffff", CLOSED, {}),
        ("fffff", OPEN, {}),
        ("ggfff", OPEN, {}),
        ("gggff", CLOSED, {}),
        ("ffggg", CLOSED, {}),
        ("fffgg", OPEN, {}),
        ("fffii", CLOSED, {}),
        ("gggfff", OPEN, {}),
        ("sssss", OPEN, {}),
        ("ssssg", CLOSED, {}),
        ("xxxxx", OPEN, {}),
        ("fsgsg", CLOSED, {}),
        ("ssggg", CLOSED, {"slow_rate": 0.5}),
        ("sssgg", OPEN, {"slow_rate": 0.5}),
        # Only the latest calls are judged: the failures at the start have left the window.
        ("ff" + "g" * 8 + "ff", CLOSED, {"window_calls": 5}),
        ("ff" + "g" * 8 + "fff", OPEN, {"window_calls": 5}),
        ("ss" + "g" * 5 + "ss", CLOSED, {"window_calls": 5, "slow_rate": 0.6}),
        ("g" * 27 + "ff", CLOSED, {"failure_rate": 0.1, "minimum_calls": 30, "window_calls": 30}),
        ("g" * 27 + "fff", OPEN, {"failure_rate": 0.1, "minimum_calls": 30, "window_calls": 30}),
        # As in resilience4j, a minimum that never fits the window is the window.
        ("fff", OPEN, {"window_calls": 3, "minimum_calls": 10}),
        ("f", OPEN, {"minimum_calls": 1}),
        ("ggggg", CLOSED, {"failure_rate": 0.0, "slow_rate": 0.0}),
        ("ggggf", OPEN, {"failure_rate": 0.0, "slow_rate": 0.0}),
    ],
)
def test_it_opens_by_the_rates_over_its_window(
    outcomes: str, expected: BreakerState, changes: dict[str, Any]
) -> None:
    bench = Bench(replace(POLICY, **changes))
    bench.call(outcomes)
    assert bench.breaker.state is expected
    assert bench.changes == ([(CLOSED, OPEN)] if expected is OPEN else [])


@pytest.mark.parametrize(("seconds", "slow"), [(29.9, 0), (30.0, 0), (30.1, 1)])
def test_a_call_is_slow_when_it_took_longer(seconds: float, slow: int) -> None:
    bench = Bench()
    with bench.breaker.permit() as permit:
        permit.succeed(seconds)
    assert bench.breaker.snapshot().slow_calls == slow


def test_while_open_it_tells_when_to_come_back() -> None:
    bench = Bench()
    bench.open()
    for waited, left in ((0.0, 15.0), (10.0, 5.0), (4.5, 0.5)):
        bench.clock.advance(waited)
        with pytest.raises(BreakerOpenError) as refused:
            bench.breaker.permit()
        assert refused.value.retry_after_seconds == left
        assert bench.breaker.snapshot().retry_after_seconds == left


def test_the_wall_clock_does_not_open_it() -> None:
    bench = Bench()
    bench.open()
    bench.clock.step_wall(3600)
    with pytest.raises(BreakerOpenError):
        bench.breaker.permit()


def test_it_stays_open_until_someone_asks_for_a_probe() -> None:
    bench = Bench()
    bench.open_and_wait()
    bench.clock.advance(1000)
    assert bench.breaker.state is OPEN
    assert bench.breaker.snapshot() == BreakerSnapshot(OPEN, 5, 5, 0, 0.0)
    permit = bench.breaker.permit()
    assert bench.breaker.state is HALF_OPEN
    assert bench.changes[1:] == [(OPEN, HALF_OPEN)]
    assert bench.breaker.snapshot() == BreakerSnapshot(HALF_OPEN, 0, 0, 0, PROBING_RETRY_AFTER_SECONDS)
    permit.succeed(0.1)
    assert bench.breaker.snapshot() == BreakerSnapshot(CLOSED, 0, 0, 0, None)


@pytest.mark.parametrize(
    ("probes", "expected", "changes"),
    [
        ("g", CLOSED, {}),
        ("f", OPEN, {}),
        ("s", OPEN, {}),
        ("i", HALF_OPEN, {}),
        ("iiig", CLOSED, {}),
        ("ggg", HALF_OPEN, {"half_open_calls": 4}),
        ("gggg", CLOSED, {"half_open_calls": 4}),
        ("gfgg", CLOSED, {"half_open_calls": 4}),
        ("ggff", OPEN, {"half_open_calls": 4}),
        ("sggf", CLOSED, {"half_open_calls": 4}),
        ("gggs", OPEN, {"half_open_calls": 4, "slow_rate": 0.25}),
        # Two of four are enough, whatever the others bring.
        ("ff", OPEN, {"half_open_calls": 4}),
        ("f", HALF_OPEN, {"half_open_calls": 4}),
        # More probes than the minimum of a window: all are waited for.
        ("gggggggg", HALF_OPEN, {"half_open_calls": 9}),
    ],
)
def test_probes_are_judged_by_the_rates(probes: str, expected: BreakerState, changes: dict[str, Any]) -> None:
    bench = Bench(replace(POLICY, **changes))
    bench.open_and_wait()
    bench.call(probes)
    assert bench.breaker.state is expected


def test_after_a_bad_probe_the_whole_time_begins_again() -> None:
    bench = Bench()
    bench.open_and_wait()
    probe = bench.breaker.permit()
    bench.clock.advance(7)
    probe.fail(7.0)
    with pytest.raises(BreakerOpenError) as refused:
        bench.breaker.permit()
    assert refused.value.retry_after_seconds == 15.0
    assert bench.changes == [(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, OPEN)]


def test_after_good_probes_the_window_is_empty() -> None:
    bench = Bench()
    bench.open_and_wait()
    bench.call("g" + "ffff")
    assert bench.breaker.state is CLOSED
    bench.call("f")
    assert bench.breaker.state is OPEN


@pytest.mark.parametrize("probes", [1, 3])
async def test_of_twenty_calls_at_once_only_the_probes_go_out(probes: int) -> None:
    bench = Bench(replace(POLICY, half_open_calls=probes))
    bench.open_and_wait()
    answer = asyncio.Event()
    out = 0

    async def call() -> None:
        nonlocal out
        with bench.breaker.permit() as permit:
            out += 1
            await answer.wait()
            permit.succeed(0.1)

    calls = [asyncio.create_task(call()) for _ in range(20)]
    await asyncio.sleep(0)
    assert out == probes
    answer.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(result, BreakerOpenError) for result in results) == 20 - probes
    assert bench.breaker.state is CLOSED


async def test_a_cancelled_probe_frees_its_place() -> None:
    bench = Bench()
    bench.open_and_wait()

    async def call() -> None:
        with bench.breaker.permit():
            await asyncio.Event().wait()

    for _ in range(3):
        probe = asyncio.create_task(call())
        await asyncio.sleep(0)
        with pytest.raises(BreakerOpenError):
            bench.breaker.permit()
        probe.cancel()
        await asyncio.wait([probe])
        assert bench.breaker.state is HALF_OPEN
    bench.call("g")
    assert bench.breaker.state is CLOSED


def test_a_permit_that_is_dropped_frees_its_place() -> None:
    bench = Bench()
    bench.open_and_wait()
    bench.breaker.permit()
    bench.call("g")
    assert bench.breaker.state is CLOSED


def test_an_error_of_which_nothing_was_told_is_not_counted() -> None:
    bench = Bench()
    with pytest.raises(ValueError, match="mine"), bench.breaker.permit():
        raise ValueError("mine")
    assert bench.breaker.snapshot().calls == 0


@pytest.mark.parametrize(
    ("first", "then", "counts"), [("g", "f", (1, 0)), ("f", "g", (1, 1)), ("i", "f", (0, 0))]
)
def test_the_first_that_is_told_counts(first: str, then: str, counts: tuple[int, int]) -> None:
    bench = Bench()
    permit = bench.breaker.permit()
    tell(permit, first)
    tell(permit, then)
    snapshot = bench.breaker.snapshot()
    assert (snapshot.calls, snapshot.failures) == counts


def test_what_ends_late_does_not_count_into_a_new_state() -> None:
    bench = Bench()
    from_closed = [bench.breaker.permit() for _ in range(3)]
    bench.open_and_wait()
    from_closed[0].fail(0.1)
    first_probe = bench.breaker.permit()
    from_closed[1].succeed(0.1)
    assert bench.breaker.state is HALF_OPEN
    first_probe.fail(0.1)
    bench.clock.advance(15)
    second_probe = bench.breaker.permit()
    first_probe.ignore()
    from_closed[2].ignore()
    with pytest.raises(BreakerOpenError):
        bench.breaker.permit()
    second_probe.succeed(0.1)
    assert bench.breaker.snapshot() == BreakerSnapshot(CLOSED, 0, 0, 0, None)


def test_who_hears_of_a_change_may_use_the_breaker() -> None:
    clock = FakeClock()
    seen: list[BreakerSnapshot] = []
    taken: list[Permit] = []

    def on_change(old: BreakerState, new: BreakerState) -> None:
        seen.append(breaker.snapshot())
        if new is HALF_OPEN:
            taken.append(breaker.permit())

    breaker = Breaker(POLICY, clock, on_change)
    for _ in range(5):
        tell(breaker.permit(), "f")
    clock.advance(15)
    with pytest.raises(BreakerOpenError):
        breaker.permit()
    taken[0].succeed(0.1)
    assert seen == [
        BreakerSnapshot(OPEN, 5, 5, 0, 15.0),
        BreakerSnapshot(HALF_OPEN, 0, 0, 0, 0.0),
        BreakerSnapshot(CLOSED, 0, 0, 0, None),
    ]


@dataclass
class NaivePermit:
    era: int
    permit: Permit
    is_settled: bool = False


@dataclass
class NaiveBreaker:
    """The rules as they are written, from whole lists and fractions."""

    policy: BreakerPolicy
    state: BreakerState = CLOSED
    era: int = 0
    opened_at: float = 0.0
    told: list[tuple[bool, bool]] = field(default_factory=list)
    permits: list[NaivePermit] = field(default_factory=list)
    changes: list[tuple[BreakerState, BreakerState]] = field(default_factory=list)

    def ask(self, now: float) -> float | None:
        """Return None for a permit, or how long none is given."""
        if self.state is OPEN and now >= self.opened_at + self.policy.open_seconds:
            self.become(HALF_OPEN, now)
        if self.state is OPEN:
            return self.opened_at + self.policy.open_seconds - now
        if self.state is HALF_OPEN and self.probes() >= self.policy.half_open_calls:
            return PROBING_RETRY_AFTER_SECONDS
        return None

    def probes(self) -> int:
        return len(self.told) + sum(not p.is_settled for p in self.permits if p.era == self.era)

    def settle(self, permit: NaivePermit, told: tuple[bool, bool] | None, now: float) -> None:
        if permit.is_settled:
            return
        permit.is_settled = True
        if permit.era != self.era or told is None:
            return
        self.told.append(told)
        if self.state is CLOSED:
            window = self.told[-self.policy.window_calls :]
            enough = len(window) >= self.policy.minimum_calls or len(window) == self.policy.window_calls
            if enough and self.is_bad(window, len(window)):
                self.become(OPEN, now)
        elif self.is_bad(self.told, self.policy.half_open_calls):
            self.become(OPEN, now)
        elif len(self.told) == self.policy.half_open_calls:
            self.become(CLOSED, now)

    def is_bad(self, calls: list[tuple[bool, bool]], of: int) -> bool:
        failures = Fraction(sum(failed for failed, _ in calls), of)
        slow = Fraction(sum(slow for _, slow in calls), of)
        rates = Fraction(str(self.policy.failure_rate)), Fraction(str(self.policy.slow_rate))
        return 0 < failures >= rates[0] or 0 < slow >= rates[1]

    def become(self, state: BreakerState, now: float) -> None:
        self.changes.append((self.state, state))
        self.state = state
        self.era += 1
        if state is OPEN:
            self.opened_at = now
        else:
            self.told = []


rates = st.integers(0, 10).map(lambda tenths: tenths / 10)
# Quarters of seconds are exact in a float, as are their sums.
quarters = st.integers(0, 80).map(lambda number: number / 4)


class BreakerAgainstModel(RuleBasedStateMachine):
    @initialize(
        policy=st.builds(
            BreakerPolicy,
            window_calls=st.integers(1, 8),
            minimum_calls=st.integers(1, 10),
            failure_rate=rates,
            slow_call_seconds=st.just(2.0),
            slow_rate=rates,
            open_seconds=st.sampled_from([0.25, 5.0]),
            half_open_calls=st.integers(1, 4),
        )
    )
    def begin(self, policy: BreakerPolicy) -> None:
        self.bench = Bench(policy)
        self.model = NaiveBreaker(policy)

    @rule()
    def ask(self) -> None:
        refused = self.model.ask(self.bench.clock.monotonic())
        if refused is None:
            self.model.permits.append(NaivePermit(self.model.era, self.bench.breaker.permit()))
        else:
            with pytest.raises(BreakerOpenError) as error:
                self.bench.breaker.permit()
            assert error.value.retry_after_seconds == refused

    @precondition(lambda self: self.model.permits)
    @rule(data=st.data(), told=st.sampled_from(["succeed", "fail", "ignore", "leave"]), seconds=quarters)
    def settle(self, data: st.DataObject, told: str, seconds: float) -> None:
        permit = data.draw(st.sampled_from(self.model.permits))
        if told == "succeed":
            permit.permit.succeed(seconds)
        elif told == "fail":
            permit.permit.fail(seconds)
        elif told == "ignore":
            permit.permit.ignore()
        else:
            with permit.permit:
                pass
        counted = (told == "fail", seconds > 2.0) if told in {"succeed", "fail"} else None
        self.model.settle(permit, counted, self.bench.clock.monotonic())

    @rule(outcomes=st.text("gfsx", min_size=1, max_size=5))
    def call(self, outcomes: str) -> None:
        for outcome in outcomes:
            if self.model.ask(now := self.bench.clock.monotonic()) is None:
                permit = NaivePermit(self.model.era, self.bench.breaker.permit())
                tell(permit.permit, outcome, self.bench.policy)
                self.model.settle(permit, (outcome in "fx", outcome in "sx"), now)

    @rule(seconds=quarters)
    def wait(self, seconds: float) -> None:
        self.bench.clock.advance(seconds)

    @invariant()
    def they_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.bench.changes == self.model.changes
        snapshot = self.bench.breaker.snapshot()
        size = len(self.model.told) if self.model.state is HALF_OPEN else self.bench.policy.window_calls
        window = self.model.told[-size:] if size else []
        assert snapshot.state is self.bench.breaker.state is self.model.state
        if self.model.state is OPEN:
            return
        counts = (len(window), sum(failed for failed, _ in window), sum(slow for _, slow in window))
        assert (snapshot.calls, snapshot.failures, snapshot.slow_calls) == counts

    @invariant()
    def no_more_probes_than_configured(self) -> None:
        if hasattr(self, "model") and self.model.state is HALF_OPEN:
            assert self.model.probes() <= self.bench.policy.half_open_calls


BreakerAgainstModel.TestCase.settings = settings(max_examples=300, stateful_step_count=60, deadline=None)
test_it_does_what_the_naive_model_does = BreakerAgainstModel.TestCase
