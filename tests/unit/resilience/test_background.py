"""A background service starts and stops any number of times and leaves no task."""

import asyncio

import pytest
from tests.support.clock import DEADLINE_SECONDS
from tests.support.tasks import tasks_left

from airboss.resilience.background import Background


class Service:
    def __init__(self) -> None:
        self.running = 0
        self.cleaned_up = 0
        self.began = asyncio.Event()

    async def run(self) -> None:
        self.running += 1
        self.began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.running -= 1
            self.cleaned_up += 1


async def test_start_and_stop_are_idempotent() -> None:
    before = asyncio.all_tasks()
    service = Service()
    background = Background("service", service.run)
    await background.stop()
    for round_number in range(1, 4):
        background.start()
        background.start()
        await service.began.wait()
        service.began.clear()
        assert (service.running, background.is_running) == (1, True)
        await background.stop()
        assert (service.running, service.cleaned_up, background.is_running) == (0, round_number, False)
        await background.stop()
    assert tasks_left(before) == set()


async def test_it_can_be_stopped_before_it_began() -> None:
    service = Service()
    background = Background("service", service.run)
    background.start()
    await background.stop()
    assert (service.running, background.is_running) == (0, False)


async def test_what_broke_it_is_told_when_it_is_stopped() -> None:
    async def run() -> None:
        raise ValueError("broken")

    background = Background("service", run)
    background.start()
    await asyncio.sleep(0)
    assert not background.is_running
    with pytest.raises(ValueError, match="broken"):
        await background.stop()
    await background.stop()


async def test_who_stops_it_can_be_cancelled() -> None:
    may_end = asyncio.Event()
    began = asyncio.Event()

    async def run() -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await may_end.wait()

    background = Background("service", run)
    background.start()
    await began.wait()
    stopper = asyncio.ensure_future(background.stop())
    await asyncio.sleep(0)
    stopper.cancel()
    async with asyncio.timeout(DEADLINE_SECONDS):
        with pytest.raises(asyncio.CancelledError):
            await stopper
    may_end.set()
