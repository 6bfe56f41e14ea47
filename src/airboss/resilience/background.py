"""A background service: one task with a name, started and stopped any number of times."""

import asyncio
from collections.abc import Awaitable, Callable


class Background:
    """Owns the task of a service. `start` and `stop` are idempotent; `stop` returns when it has ended."""

    def __init__(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._run = run
        self._task: asyncio.Task[None] | None = None

    @property
    def is_running(self) -> bool:
        return self._task is not None and not self._task.done()

    def start(self) -> None:
        if not self.is_running:
            self._task = asyncio.create_task(self._body(), name=self._name)

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error

    async def _body(self) -> None:
        await self._run()
