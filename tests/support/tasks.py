"""Whether everything that was started has ended."""

import asyncio
from collections.abc import Set as AbstractSet
from typing import Any


def tasks_left(before: AbstractSet[asyncio.Task[Any]]) -> set[asyncio.Task[Any]]:
    """Return the tasks that were not there before, but for the one that asks."""
    return asyncio.all_tasks() - before - {asyncio.current_task()}
