"""Alarms: jobs that become due at a moment, and waits that end after a time."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.resilience.background import Background

Action = Callable[[], Awaitable[None]]
#: How often moments are compared with a wall clock that may be set meanwhile.
_WALL_CHECK_SECONDS = 1.0
#: From this size on, cancelled alarms are swept out each time a heap has doubled.
_SWEEP_AT = 256


@dataclass(order=True, slots=True)
class Alarm:
    """`due` is in milliseconds of the wall clock or seconds of the monotonic one, by its heap."""

    due: float
    number: int
    action: Action | None = field(compare=False)

    def cancel(self) -> None:
        self.action = None


class _Alarms:
    """Alarms in the order they are due; cancelled ones do not pile up."""

    def __init__(self) -> None:
        self._heap: list[Alarm] = []
        self._sweep_at = _SWEEP_AT

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_due(self) -> float:
        return self._heap[0].due

    def add(self, alarm: Alarm) -> bool:
        """Add an alarm and tell whether it is now the first."""
        if len(self._heap) >= self._sweep_at:
            self._heap = [kept for kept in self._heap if kept.action is not None]
            heapq.heapify(self._heap)
            self._sweep_at = max(_SWEEP_AT, 2 * len(self._heap))
        heapq.heappush(self._heap, alarm)
        return self._heap[0] is alarm

    def pop_due(self, now: float) -> list[Action]:
        actions = []
        while self._heap and (self._heap[0].due <= now or self._heap[0].action is None):
            action = heapq.heappop(self._heap).action
            if action is not None:
                actions.append(action)
        return actions


class Timetable:
    """Runs actions when they are due, those of one moment side by side."""

    def __init__(self, clock: Clock, log: Log) -> None:
        self._clock = clock
        self._log = log
        self._moments = _Alarms()
        self._delays = _Alarms()
        self._number = 0
        self._changed = asyncio.Event()
        self._acting: set[asyncio.Task[None]] = set()
        self._background = Background("timetable", self._run)

    @property
    def pending_count(self) -> int:
        """How many alarms are kept, cancelled ones that were not swept out yet included."""
        return len(self._moments) + len(self._delays)

    async def start(self) -> None:
        self._background.start()

    async def stop(self) -> None:
        await self._background.stop()
        for task in self._acting:
            task.cancel()
        if self._acting:
            await asyncio.wait(self._acting)

    def at(self, moment_ms: int, action: Action) -> Alarm:
        """Act when the wall clock shows this moment."""
        return self._add(self._moments, moment_ms, action)

    def after(self, seconds: float, action: Action) -> Alarm:
        """Act when so much time has passed, whatever the wall clock does."""
        return self._add(self._delays, self._clock.monotonic() + seconds, action)

    def _add(self, alarms: _Alarms, due: float, action: Action) -> Alarm:
        self._number += 1
        alarm = Alarm(due, self._number, action)
        if alarms.add(alarm):
            self._changed.set()
        return alarm

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            due = [
                *self._moments.pop_due(self._clock.now_ms()),
                *self._delays.pop_due(self._clock.monotonic()),
            ]
            for action in due:
                task = asyncio.create_task(self._act(action), name="alarm")
                self._acting.add(task)
                task.add_done_callback(self._acting.discard)
            await self._sleep()

    async def _act(self, action: Action) -> None:
        try:
            await action()
        except Exception as error:  # noqa: BLE001 - one alarm that breaks must not silence all others
            self._log.error("timetable.action_failed", error=error)

    async def _sleep(self) -> None:
        """Sleep until the next alarm or an earlier one that is added."""
        waits: list[asyncio.Task[object]] = [asyncio.create_task(self._changed.wait())]
        if (seconds := self._until_next()) is not None:
            waits.append(asyncio.create_task(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.wait(waits)

    def _until_next(self) -> float | None:
        seconds: list[float] = []
        if self._moments:
            until = (self._moments.next_due - self._clock.now_ms()) / 1000
            seconds.append(min(max(0.0, until), _WALL_CHECK_SECONDS))
        if self._delays:
            seconds.append(max(0.0, self._delays.next_due - self._clock.monotonic()))
        return min(seconds, default=None)
