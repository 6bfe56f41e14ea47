"""Slots are given in the order of asking, never too many, and none is lost whoever is cancelled."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import DEADLINE_SECONDS, FakeClock

from airboss.domain.provider_policies import CallLimitPolicy
from airboss.resilience.call_limiter import CallLimiter

IDLE_TURNS = 6


@dataclass
class Caller:
    """One call: it enters when it may, and leaves when it is told to."""

    number: int
    leave: asyncio.Event = field(default_factory=asyncio.Event)
    has_entered: bool = False
    is_inside: bool = False
    task: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        assert self.task is not None
        self.task.cancel()

    def is_cancelled(self) -> bool:
        assert self.task is not None
        return bool(self.task.cancelled() or self.task.cancelling())

    @property
    def is_over(self) -> bool:
        assert self.task is not None
        return self.task.done() or bool(self.task.cancelling())


class Hall:
    """A limiter, its clock, and all who asked for a slot."""

    def __init__(self, max_concurrent_calls: int, requests_per_minute: int | None = None) -> None:
        self.max = max_concurrent_calls
        self.clock = FakeClock()
        self.limiter = CallLimiter(CallLimitPolicy(max_concurrent_calls, requests_per_minute), self.clock)
        self.callers: list[Caller] = []
        self.entered: list[int] = []
        self.starts: list[float] = []

    def ask(self) -> Caller:
        caller = Caller(len(self.callers))
        caller.task = asyncio.create_task(self._call(caller))
        self.callers.append(caller)
        return caller

    async def _call(self, caller: Caller) -> None:
        async with self.limiter.slot():
            caller.has_entered = caller.is_inside = True
            self.entered.append(caller.number)
            self.starts.append(self.clock.monotonic())
            assert self.inside() <= self.max
            try:
                await caller.leave.wait()
            finally:
                caller.is_inside = False

    def inside(self) -> int:
        return sum(caller.is_inside for caller in self.callers)

    def tasks(self) -> list[asyncio.Task[None]]:
        return [caller.task for caller in self.callers if caller.task is not None]

    async def settle(self) -> None:
        """Let everybody run until a few turns of the loop in a row have changed nothing."""
        idle_turns, before = 0, self._seen()
        while idle_turns < IDLE_TURNS:
            await asyncio.sleep(0)
            idle_turns = idle_turns + 1 if self._seen() == before else 0
            before = self._seen()

    def _seen(self) -> tuple[int, int, int, int]:
        limiter = self.limiter
        return len(self.entered), limiter.in_flight, limiter.waiting, len(self.clock.sleepers)

    async def leave_all(self) -> None:
        """Let everybody leave as they enter, and time pass while nobody can."""
        for caller in self.callers:
            caller.leave.set()
        await self.settle()
        while self.clock.sleepers:
            self.clock.advance(self.clock.sleepers[0])
            await self.settle()

    async def is_whole(self) -> None:
        """Nobody is left, and as many as ever can enter."""
        await self.leave_all()
        assert all(caller.is_over for caller in self.callers)
        assert (self.limiter.in_flight, self.limiter.waiting) == (0, 0)
        async with asyncio.timeout(DEADLINE_SECONDS):
            await asyncio.gather(*self.tasks(), return_exceptions=True)
        self.clock.advance(3600)
        fresh = [self.ask() for _ in range(self.max + 1)]
        await self.settle()
        while self.clock.sleepers:
            self.clock.advance(self.clock.sleepers[0])
            await self.settle()
        assert [caller.is_inside for caller in fresh] == [True] * self.max + [False]
        await self.leave_all()


async def test_as_many_as_allowed_are_inside_and_the_others_follow_in_order() -> None:
    hall = Hall(3)
    callers = [hall.ask() for _ in range(8)]
    await hall.settle()
    assert hall.entered == [0, 1, 2]
    assert (hall.limiter.in_flight, hall.limiter.waiting) == (3, 5)
    callers[1].leave.set()
    await hall.settle()
    assert hall.entered == [0, 1, 2, 3]
    assert (hall.limiter.in_flight, hall.limiter.waiting) == (3, 4)
    await hall.leave_all()
    assert hall.entered == list(range(8))
    assert (hall.limiter.in_flight, hall.limiter.waiting) == (0, 0)


async def test_a_free_slot_is_taken_without_waiting() -> None:
    hall = Hall(1)
    slot = hall.limiter.slot()
    with pytest.raises(StopIteration):
        slot.__aenter__().__await__().__next__()
    assert hall.limiter.in_flight == 1
    await slot.__aexit__(None, None, None)


async def test_who_comes_later_does_not_overtake_who_was_just_told() -> None:
    hall = Hall(1)
    first, second = hall.ask(), hall.ask()
    await hall.settle()
    first.leave.set()
    assert first.task is not None
    await asyncio.wait([first.task])
    hall.ask()
    await hall.settle()
    assert hall.entered == [0, 1]
    assert not second.is_over
    await hall.is_whole()


async def test_an_error_inside_gives_the_slot_back() -> None:
    hall = Hall(1)
    with pytest.raises(ValueError, match="mine"):
        async with hall.limiter.slot():
            raise ValueError("mine")
    assert hall.limiter.in_flight == 0


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancellation_at_any_moment_of_the_handing_over_loses_nothing(turns: int) -> None:
    hall = Hall(1)
    callers = [hall.ask() for _ in range(4)]
    await hall.settle()
    callers[0].leave.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    callers[1].cancel()
    callers[2].cancel()
    await hall.settle()
    assert callers[3].is_inside
    await hall.is_whole()


async def test_who_is_first_may_be_cancelled_while_there_is_no_place() -> None:
    hall = Hall(1)
    callers = [hall.ask() for _ in range(3)]
    await hall.settle()
    callers[1].cancel()
    await hall.settle()
    assert hall.limiter.waiting == 1
    callers[0].leave.set()
    await hall.settle()
    assert hall.entered == [0, 2]
    await hall.is_whole()


async def test_ten_thousand_cancelled_at_once_leave_nothing() -> None:
    hall = Hall(2)
    for _ in range(10_000):
        hall.ask()
    await asyncio.sleep(0)
    assert hall.limiter.waiting == 9_998
    for caller in reversed(hall.callers):
        caller.cancel()
    await asyncio.gather(*hall.tasks(), return_exceptions=True)
    assert (hall.limiter.in_flight, hall.limiter.waiting) == (0, 0)
    hall.callers.clear()
    await hall.is_whole()


@pytest.mark.parametrize(
    ("per_minute", "at_once", "spacing_seconds"),
    [(1, 1, 60.0), (30, 1, 2.0), (60, 1, 1.0), (119, 1, 60 / 119), (120, 2, 60 / 119), (600, 10, 60 / 591)],
)
async def test_a_burst_of_a_second_then_evenly(per_minute: int, at_once: int, spacing_seconds: float) -> None:
    hall = Hall(1000, per_minute)
    for _ in range(at_once + 2):
        hall.ask()
    await hall.settle()
    assert len(hall.entered) == at_once
    for extra in (1, 2):
        assert hall.clock.sleepers == [pytest.approx(spacing_seconds)]
        hall.clock.advance(hall.clock.sleepers[0])
        await hall.settle()
        assert len(hall.entered) == at_once + extra
    await hall.leave_all()


async def test_cancelled_while_waiting_for_the_rate_nothing_is_spent() -> None:
    hall = Hall(4, 60)
    callers = [hall.ask() for _ in range(4)]
    await hall.settle()
    hall.clock.advance(0.75)
    callers[1].cancel()
    callers[2].cancel()
    await hall.settle()
    assert hall.clock.sleepers == [pytest.approx(0.25)]
    hall.clock.advance(0.25)
    await hall.settle()
    assert hall.entered == [0, 3]
    await hall.is_whole()


async def test_the_rate_saves_up_no_more_than_one_burst() -> None:
    hall = Hall(100, 120)
    hall.clock.advance(3600)
    for _ in range(10):
        hall.ask()
    await hall.settle()
    assert len(hall.entered) == 2
    await hall.leave_all()


def most_within_a_minute(starts: list[float]) -> int:
    # A hair less than a minute: the last bits of sums of floats are no calls.
    return max(sum(begin <= start < begin + 59.999999 for start in starts) for begin in starts)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400),
    st.lists(st.tuples(st.integers(1, 60), st.sampled_from([0.0, 0.4, 7.0, 59.0, 61.0])), max_size=12),
)
def test_no_minute_holds_more_starts_than_allowed(per_minute: int, arrivals: list[tuple[int, float]]) -> None:
    async def scenario() -> None:
        hall = Hall(1000, per_minute)
        for count, pause_seconds in arrivals:
            for _ in range(count):
                hall.ask().leave.set()
            await hall.settle()
            hall.clock.advance(pause_seconds)
        await hall.leave_all()
        assert hall.entered == [caller.number for caller in hall.callers]
        assert not hall.starts or most_within_a_minute(hall.starts) <= per_minute

    asyncio.run(scenario())


step = st.one_of(
    st.tuples(st.just("ask"), st.integers(1, 4)),
    st.tuples(st.just("cancel"), st.integers(0, 30)),
    st.tuples(st.just("leave"), st.integers(0, 30)),
    st.tuples(st.just("turn"), st.integers(1, 3)),
    st.tuples(st.just("advance"), st.integers(1, 8)),
    st.tuples(st.just("settle"), st.just(0)),
)


async def take_step(hall: Hall, kind: str, number: int) -> None:
    if kind == "ask":
        for _ in range(number):
            hall.ask()
    elif kind == "turn":
        for _ in range(number):
            await asyncio.sleep(0)
    elif kind == "advance":
        hall.clock.advance(number / 4)
    elif kind == "settle":
        await hall.settle()
        assert_nobody_waits_in_vain(hall)
    elif hall.callers:
        # Mostly somebody recent, who may still be waiting.
        caller = hall.callers[-1 - number % len(hall.callers)]
        if kind == "cancel":
            caller.cancel()
        else:
            caller.leave.set()


def assert_nobody_waits_in_vain(hall: Hall) -> None:
    waiting = sum(not caller.has_entered and not caller.is_over for caller in hall.callers)
    assert (hall.limiter.in_flight, hall.limiter.waiting) == (hall.inside(), waiting)
    assert not waiting or hall.inside() == hall.max or len(hall.clock.sleepers) == 1


def assert_order(hall: Hall) -> None:
    assert hall.entered == sorted(hall.entered)
    untouched = {caller.number for caller in hall.callers if not caller.is_cancelled()}
    assert untouched <= set(hall.entered)


@settings(max_examples=400, deadline=None)
@given(
    st.integers(1, 4), st.none() | st.sampled_from([30, 60, 240]), st.lists(step, min_size=10, max_size=60)
)
def test_a_storm_of_cancellations_loses_nothing(
    max_concurrent_calls: int, per_minute: int | None, steps: Iterable[tuple[str, int]]
) -> None:
    async def scenario() -> None:
        hall = Hall(max_concurrent_calls, per_minute)
        for kind, number in steps:
            await take_step(hall, kind, number)
        await hall.leave_all()
        assert_order(hall)
        if hall.callers:
            await hall.is_whole()

    asyncio.run(scenario())
