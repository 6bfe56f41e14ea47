"""A clock that stands still until a test moves it."""

import asyncio
import heapq

START_MS = 1_795_000_000_000
DEADLINE_SECONDS = 10.0


class FakeClock:
    """Wall and monotonic time, together with `advance` or apart with the `step_` methods."""

    def __init__(self, now_ms: int = START_MS, monotonic: float = 1000.0) -> None:
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._number = 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._fell_asleep = asyncio.Event()

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._number += 1
        heapq.heappush(self._sleepers, (self._monotonic + seconds, self._number, future))
        self._fell_asleep.set()
        await future

    def advance(self, seconds: float) -> None:
        """Let so much time pass on both clocks and wake who has slept long enough."""
        self._now_ms += round(seconds * 1000)
        self.step_monotonic(seconds)

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock, as an administrator or NTP does; nobody wakes."""
        self._now_ms += round(seconds * 1000)

    def step_monotonic(self, seconds: float) -> None:
        self._monotonic += seconds
        while self._sleepers and self._sleepers[0][0] <= self._monotonic:
            _, _, future = heapq.heappop(self._sleepers)
            if not future.done():
                future.set_result(None)

    @property
    def sleepers(self) -> list[float]:
        """How many seconds each sleeper still has to sleep, shortest first."""
        return sorted(due - self._monotonic for due, _, future in self._sleepers if not future.done())

    async def anyone_sleeps(self) -> None:
        """Wait until somebody sleeps."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not self.sleepers:
                self._fell_asleep.clear()
                await self._fell_asleep.wait()

    async def someone_sleeps(self, seconds: float) -> None:
        """Wait until somebody sleeps for about so long: then time can be moved."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not any(abs(left - seconds) < 1e-6 for left in self.sleepers):
                self._fell_asleep.clear()
                await self._fell_asleep.wait()
