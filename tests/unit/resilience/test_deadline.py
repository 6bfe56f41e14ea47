"""One deadline over many waits: it ends the wait that outlasts it, and nothing else."""

import asyncio

import pytest
from tests.support.clock import DEADLINE_SECONDS

from airboss.resilience.deadline import Deadline


async def wait_for_ever(deadline: Deadline) -> None:
    with deadline:
        await asyncio.Event().wait()


async def test_a_wait_that_outlasts_it_times_out_and_leaves_the_task_uncancelled() -> None:
    with pytest.raises(TimeoutError):
        await wait_for_ever(Deadline(0.01))
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_waits_that_end_in_time_are_left_alone() -> None:
    deadline = Deadline(DEADLINE_SECONDS)
    for _ in range(3):
        with deadline:
            await asyncio.sleep(0)
    deadline.close()


async def test_it_counts_over_all_waits_and_between_them() -> None:
    deadline = Deadline(0.01)
    loop = asyncio.get_running_loop()
    passed = loop.create_future()
    loop.call_later(0.02, passed.set_result, None)
    await passed
    with pytest.raises(TimeoutError):
        await wait_for_ever(deadline)
    with pytest.raises(TimeoutError):
        await wait_for_ever(deadline)


async def test_one_that_is_closed_never_passes() -> None:
    deadline = Deadline(0.0)
    deadline.close()
    await asyncio.sleep(0)
    with deadline:
        await asyncio.sleep(0)


async def test_a_cancellation_from_outside_stays_one() -> None:
    task = asyncio.create_task(wait_for_ever(Deadline(DEADLINE_SECONDS)))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_of_both_at_once_the_cancellation_wins() -> None:
    deadline = Deadline(DEADLINE_SECONDS)
    task = asyncio.create_task(wait_for_ever(deadline))
    await asyncio.sleep(0)
    deadline._pass()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_it_can_be_shortened_but_not_prolonged() -> None:
    deadline = Deadline(0.01)
    deadline.shorten(DEADLINE_SECONDS)
    async with asyncio.timeout(DEADLINE_SECONDS / 2):
        with pytest.raises(TimeoutError):
            await wait_for_ever(deadline)
    deadline = Deadline(DEADLINE_SECONDS)
    deadline.shorten(0.01)
    async with asyncio.timeout(DEADLINE_SECONDS / 2):
        with pytest.raises(TimeoutError):
            await wait_for_ever(deadline)
