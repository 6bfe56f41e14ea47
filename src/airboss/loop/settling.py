"""Ending a run so that nothing of it is left: no task, no open stream, no tool."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from agents.result import RunResultStreaming

from airboss.loop.sdk_parts import InFlight


@asynccontextmanager
async def settled(result: RunResultStreaming, in_flight: InFlight) -> AsyncIterator[None]:
    """Run the body; on any way out, stop the SDK's run and wait until it and its tools have ended."""
    try:
        yield
    finally:
        run_task = result.run_loop_task
        # Once only: a second cancel would break the clean-up that the first one began.
        if run_task is not None and not run_task.done() and not run_task.cancelling():
            result.cancel()
        await _shielded(_wait(run_task, in_flight))


async def _wait(run_task: asyncio.Task[None] | None, in_flight: InFlight) -> None:
    if run_task is not None:
        await asyncio.wait([run_task])
    await in_flight.settle()


async def _shielded(work: Awaitable[None]) -> None:
    """Finish the work though the caller is cancelled meanwhile, then let the cancellation go on."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
