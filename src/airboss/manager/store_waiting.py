"""Waiting for a store that is away, with what must not be lost."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from airboss.domain.errors import StorageUnavailableError
from airboss.ports.clock import Clock

T = TypeVar("T")
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 5.0


async def until_stored(write: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """Write until the store takes it.

    By hand: a retry library that is not needed, since the first write succeeds, took 6 % of a job's CPU.
    """
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await write()
        except StorageUnavailableError:
            await clock.sleep(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
