"""How late the event loop is."""

import asyncio
import contextlib

_TICK_SECONDS = 0.25


class LoopLag:
    """Measures, four times a second, how much later than asked a timer comes."""

    def __init__(self) -> None:
        self._task: asyncio.Task[None] | None = None
        self._lag_seconds = 0.0
        self._expected: float | None = None

    @property
    def seconds(self) -> float:
        """The lag of the last tick, or of the one that is overdue."""
        if self._expected is None:
            return 0.0
        overdue = asyncio.get_running_loop().time() - self._expected
        return max(self._lag_seconds, overdue, 0.0)

    async def start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="loop lag")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._expected = loop.time() + _TICK_SECONDS
            await asyncio.sleep(_TICK_SECONDS)
            self._lag_seconds = max(0.0, loop.time() - self._expected)
