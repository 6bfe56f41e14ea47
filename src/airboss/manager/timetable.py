"""Alarms: jobs that become due at a moment, and waits that end after a time."""

import asyncio
import heapq
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from airboss.ports.clock import Clock
from airboss.resilience.background import Background

Action = Callable[[], Awaitable[None]]
#: How often moments are compared with a wall clock that may be set meanwhile.
_WALL_CHECK_SECONDS = 1.0


@dataclass(order=True, slots=True)
class Alarm:
    """`due` is in milliseconds of the wall clock or seconds of the monotonic one, by its heap."""

    due: float
    number: int
    action: Action | None = field(compare=False)

    def cancel(self) -> None:
        self.action = None


class Timetable:
    """Runs actions when they are due, those of one moment side by side."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._moments: list[Alarm] = []
        self._delays: list[Alarm] = []
        self._number = 0
        self._changed = asyncio.Event()
        self._background = Background("timetable", self._run)

    async def start(self) -> None:
        self._background.start()

    async def stop(self) -> None:
        await self._background.stop()

    def at(self, moment_ms: int, action: Action) -> Alarm:
        """Act when the wall clock shows this moment."""
        return self._add(self._moments, moment_ms, action)

    def after(self, seconds: float, action: Action) -> Alarm:
        """Act when so much time has passed, whatever the wall clock does."""
        return self._add(self._delays, self._clock.monotonic() + seconds, action)

    def _add(self, heap: list[Alarm], due: float, action: Action) -> Alarm:
        self._number += 1
        alarm = Alarm(due, self._number, action)
        heapq.heappush(heap, alarm)
        if heap[0] is alarm:
            self._changed.set()
        return alarm

    async def _run(self) -> None:
        while True:
            self._changed.clear()
            due = [
                *_pop_due(self._moments, self._clock.now_ms()),
                *_pop_due(self._delays, self._clock.monotonic()),
            ]
            if due:
                await asyncio.gather(*(action() for action in due))
            else:
                await self._sleep()

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

    def _until_next(self) -> float | None:
        seconds: list[float] = []
        if self._moments:
            until = (self._moments[0].due - self._clock.now_ms()) / 1000
            seconds.append(min(max(0.0, until), _WALL_CHECK_SECONDS))
        if self._delays:
            seconds.append(max(0.0, self._delays[0].due - self._clock.monotonic()))
        return min(seconds, default=None)


def _pop_due(heap: list[Alarm], now: float) -> list[Action]:
    actions = []
    while heap and (heap[0].due <= now or heap[0].action is None):
        action = heapq.heappop(heap).action
        if action is not None:
            actions.append(action)
    return actions
