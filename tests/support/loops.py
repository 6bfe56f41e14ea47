"""Agent loops that do as a test tells them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.clock import DEADLINE_SECONDS

from airboss.ports.loop import AgentLoop, Run

Behaviour = Callable[[Run], Awaitable[Any]]


async def answer(run: Run) -> Any:
    return f"answer to {run.job.input}"


class ScriptedLoop:
    """Runs one behaviour for every job and counts how often, and how many at once."""

    def __init__(self, behaviour: Behaviour = answer) -> None:
        self.behaviour = behaviour
        self.started: list[str] = []
        self.running = 0
        self.most_running = 0

    async def load(self) -> AgentLoop:
        return self

    async def close(self) -> None:
        pass

    async def run(self, run: Run) -> Any:
        self.started.append(run.job.id)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            return await self.behaviour(run)
        finally:
            self.running -= 1


class HeldLoop(ScriptedLoop):
    """Each run waits until it is let go by `end`; knows who was stopped instead."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self.stopped: list[str] = []
        self._ends: dict[str, asyncio.Future[Any]] = {}
        self._changed = asyncio.Event()

    async def _wait(self, run: Run) -> Any:
        end = self._end_of(run.job.id)
        self._changed.set()
        try:
            return await end
        except asyncio.CancelledError:
            self.stopped.append(run.job.id)
            raise

    def _end_of(self, job_id: str) -> asyncio.Future[Any]:
        future = self._ends.get(job_id)
        if future is None or future.cancelled():
            future = self._ends[job_id] = asyncio.get_running_loop().create_future()
        return future

    def end(self, job_id: str, result: Any = "done") -> None:
        """Let a run end with a result, or with an exception."""
        if isinstance(result, BaseException):
            self._end_of(job_id).set_exception(result)
        else:
            self._end_of(job_id).set_result(result)

    async def until_running(self, jobs: int = 1) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while self.running < jobs:
                self._changed.clear()
                await self._changed.wait()

    async def until_started(self, job_id: str, times: int = 1) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while self.started.count(job_id) < times:
                self._changed.clear()
                await self._changed.wait()
