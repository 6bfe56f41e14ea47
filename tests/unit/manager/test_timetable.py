"""Alarms ring when they are due, by the clock they were set to, whatever becomes of the others."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.support.clock import DEADLINE_SECONDS, FakeClock
from tests.support.nodes import RecordingLog
from tests.support.tasks import tasks_left

from airboss.domain.errors import StorageUnavailableError
from airboss.manager.timetable import Timetable


class Bell:
    """Counts rings by name."""

    def __init__(self) -> None:
        self.rang: list[str] = []
        self._changed = asyncio.Event()

    def named(self, name: str) -> Callable[[], Awaitable[None]]:
        async def ring() -> None:
            self.rang.append(name)
            self._changed.set()

        return ring

    async def until(self, *names: str) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not set(names) <= set(self.rang):
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def bell() -> Bell:
    return Bell()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log() -> RecordingLog:
    return RecordingLog()


@pytest.fixture
async def timetable(clock: FakeClock, log: RecordingLog) -> AsyncIterator[Timetable]:
    before = asyncio.all_tasks()
    timetable = Timetable(clock, log)
    await timetable.start()
    yield timetable
    await timetable.stop()
    assert tasks_left(before) == set()


async def test_an_alarm_rings_when_its_time_has_passed(
    timetable: Timetable, clock: FakeClock, bell: Bell
) -> None:
    timetable.after(10, bell.named("ten"))
    timetable.after(5, bell.named("five"))
    await clock.someone_sleeps(5)
    clock.advance(4.9)
    await clock.someone_sleeps(0.1)
    assert bell.rang == []
    clock.advance(0.1)
    await bell.until("five")
    await clock.someone_sleeps(5)
    clock.advance(5)
    await bell.until("ten")
    assert bell.rang == ["five", "ten"]


async def test_an_earlier_alarm_is_not_slept_over(timetable: Timetable, clock: FakeClock, bell: Bell) -> None:
    timetable.after(1000, bell.named("late"))
    await clock.someone_sleeps(1000)
    timetable.after(1, bell.named("early"))
    await clock.someone_sleeps(1)
    clock.advance(1)
    await bell.until("early")


async def test_a_moment_follows_the_wall_clock_that_is_set_forward(
    timetable: Timetable, clock: FakeClock, bell: Bell
) -> None:
    timetable.at(clock.now_ms() + 3_600_000, bell.named("moment"))
    timetable.after(3600, bell.named("delay"))
    await clock.someone_sleeps(1)
    clock.step_wall(3600)
    clock.step_monotonic(1)
    await bell.until("moment")
    assert bell.rang == ["moment"]


async def test_a_moment_follows_the_wall_clock_that_is_set_back(
    timetable: Timetable, clock: FakeClock, bell: Bell
) -> None:
    timetable.at(clock.now_ms() + 2000, bell.named("moment"))
    await clock.someone_sleeps(1)
    clock.step_wall(-10)
    for _ in range(11):
        await clock.someone_sleeps(1)
        clock.advance(1)
    await clock.someone_sleeps(1)
    assert bell.rang == []
    clock.advance(1)
    await bell.until("moment")


async def test_a_delay_does_not_follow_the_wall_clock(
    timetable: Timetable, clock: FakeClock, bell: Bell
) -> None:
    timetable.after(10, bell.named("delay"))
    await clock.someone_sleeps(10)
    clock.step_wall(100_000)
    clock.advance(9)
    timetable.after(0, bell.named("now"))
    await bell.until("now")
    assert bell.rang == ["now"]


async def test_a_cancelled_alarm_stays_silent(timetable: Timetable, clock: FakeClock, bell: Bell) -> None:
    alarm = timetable.after(1, bell.named("cancelled"))
    timetable.after(1, bell.named("kept"))
    alarm.cancel()
    alarm.cancel()
    await clock.someone_sleeps(1)
    clock.advance(1)
    await bell.until("kept")
    assert bell.rang == ["kept"]


async def test_many_alarms_that_were_cancelled_are_not_kept(timetable: Timetable, clock: FakeClock) -> None:
    for _ in range(5000):
        timetable.after(3600, _nothing).cancel()
        timetable.at(clock.now_ms() + 3_600_000, _nothing).cancel()
    assert timetable.pending_count < 500


async def test_an_alarm_of_the_past_rings_at_once(timetable: Timetable, clock: FakeClock, bell: Bell) -> None:
    timetable.at(clock.now_ms() - 5000, bell.named("past"))
    timetable.after(0, bell.named("now"))
    await bell.until("past", "now")


@pytest.mark.parametrize("error", [StorageUnavailableError("disk"), ValueError("bug")], ids=repr)
async def test_an_alarm_that_breaks_does_not_break_the_others(
    timetable: Timetable, clock: FakeClock, log: RecordingLog, bell: Bell, error: Exception
) -> None:
    async def broken() -> None:
        raise error

    timetable.after(1, broken)
    timetable.after(1, bell.named("same moment"))
    timetable.after(2, bell.named("later"))
    await clock.someone_sleeps(1)
    clock.advance(1)
    await bell.until("same moment")
    await clock.someone_sleeps(1)
    clock.advance(1)
    await bell.until("later")
    assert log.errors == ["timetable.action_failed"]


async def test_a_slow_alarm_does_not_hold_up_the_others(
    timetable: Timetable, clock: FakeClock, bell: Bell
) -> None:
    held = asyncio.Event()

    async def slow() -> None:
        await held.wait()
        bell.rang.append("slow")

    timetable.after(1, slow)
    timetable.after(2, bell.named("later"))
    await clock.someone_sleeps(1)
    clock.advance(1)
    await clock.someone_sleeps(1)
    clock.advance(1)
    await bell.until("later")
    assert bell.rang == ["later"]


async def test_it_can_be_stopped_and_started_again(clock: FakeClock, log: RecordingLog, bell: Bell) -> None:
    timetable = Timetable(clock, log)
    timetable.after(1, bell.named("kept"))
    for _ in range(3):
        await timetable.start()
        await timetable.start()
        await clock.someone_sleeps(1)
        await timetable.stop()
        await timetable.stop()
    clock.advance(1)
    await timetable.start()
    await bell.until("kept")
    await timetable.stop()


async def _nothing() -> None:
    pass
