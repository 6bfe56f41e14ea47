"""A fixed number of workers: none is lost, whatever the work does."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.support.clock import DEADLINE_SECONDS, FakeClock
from tests.support.jobs import job_id
from tests.support.nodes import RecordingLog
from tests.support.stores import Gate
from tests.support.tasks import tasks_left

from airboss.domain.errors import StorageUnavailableError
from airboss.engines.embedded import EmbeddedEngine
from airboss.manager.workers import WorkerPool
from airboss.ports.engine import QueueEntry


def entry(number: int) -> QueueEntry:
    return QueueEntry(number, job_id(number), "alpha", 5)


class Work:
    """What the workers run: counts, waits at a gate, and fails where it is told to."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.gate.open()
        self.done: list[str] = []
        self.errors: list[BaseException] = []
        self._changed = asyncio.Event()

    async def run(self, entry: QueueEntry) -> None:
        await self.gate.go_through()
        if self.errors:
            raise self.errors.pop(0)
        self.done.append(entry.job_id)
        self._changed.set()

    async def until_done(self, jobs: int) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while len(self.done) < jobs:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def engine() -> EmbeddedEngine:
    return EmbeddedEngine()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log() -> RecordingLog:
    return RecordingLog()


@pytest.fixture
async def pool(
    engine: EmbeddedEngine, work: Work, clock: FakeClock, log: RecordingLog
) -> AsyncIterator[WorkerPool]:
    before = asyncio.all_tasks()
    pool = WorkerPool(engine, work.run, size=2, clock=clock, log=log)
    await pool.start()
    yield pool
    work.gate.open()
    await pool.stop()
    assert tasks_left(before) == set()


@pytest.mark.usefixtures("pool")
async def test_no_more_run_than_there_are_workers(engine: EmbeddedEngine, work: Work) -> None:
    work.gate = Gate()
    for number in range(5):
        engine.offer(entry(number))
    await work.gate.until_arrived(2)
    await asyncio.sleep(0)
    assert (work.gate.arrived, engine.depth(), engine.running()) == (2, 3, {"alpha": 2})
    work.gate.open()
    await work.until_done(5)
    assert set(work.done) == {job_id(number) for number in range(5)}


@pytest.mark.usefixtures("pool")
async def test_work_that_breaks_costs_no_worker(
    engine: EmbeddedEngine, work: Work, log: RecordingLog
) -> None:
    work.errors = [ValueError("bug"), KeyError("bug"), UnicodeError("bug")]
    for number in range(10):
        engine.offer(entry(number))
    await work.until_done(7)
    await asyncio.sleep(0)
    assert log.errors == ["worker.broke"] * 3
    assert engine.running() == {}
    work.gate = Gate()
    engine.offer(entry(20))
    engine.offer(entry(21))
    await work.gate.until_arrived(2)


@pytest.mark.usefixtures("pool")
async def test_a_store_that_is_away_is_asked_again_later(
    engine: EmbeddedEngine, work: Work, clock: FakeClock
) -> None:
    work.errors = [StorageUnavailableError("disk")]
    engine.offer(entry(1))
    await clock.someone_sleeps(1)
    assert work.done == []
    clock.advance(1)
    await work.until_done(1)


async def test_resting_takes_no_new_work_and_lets_the_old_end(
    pool: WorkerPool, engine: EmbeddedEngine, work: Work
) -> None:
    work.gate = Gate()
    engine.offer(entry(1))
    await work.gate.until_arrived()
    pool.rest()
    assert not pool.is_taking
    engine.offer(entry(2))
    assert not await pool.wait_idle(0)
    work.gate.open()
    assert await pool.wait_idle(DEADLINE_SECONDS)
    assert (work.done, engine.depth()) == ([job_id(1)], 1)


async def test_after_a_rest_all_workers_are_back(
    pool: WorkerPool, engine: EmbeddedEngine, work: Work
) -> None:
    for number in range(3):
        work.gate = Gate()
        engine.offer(entry(10 * number))
        await work.gate.until_arrived()
        pool.rest()
        await pool.start()
        await pool.start()
        engine.offer(entry(10 * number + 1))
        engine.offer(entry(10 * number + 2))
        await work.gate.until_arrived(2)
        await asyncio.sleep(0)
        assert work.gate.arrived == 2
        work.gate.open()
        await work.until_done(3 * number + 3)


async def test_stopping_waits_for_work_that_is_about_to_end(
    pool: WorkerPool, engine: EmbeddedEngine, work: Work
) -> None:
    work.gate = Gate()
    engine.offer(entry(1))
    await work.gate.until_arrived()
    stopping = asyncio.ensure_future(pool.stop())
    await asyncio.sleep(0)
    work.gate.open()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await stopping
    assert work.done == [job_id(1)]


async def test_stopping_ends_work_that_does_not_end(
    pool: WorkerPool, engine: EmbeddedEngine, work: Work
) -> None:
    work.gate = Gate()
    engine.offer(entry(1))
    await work.gate.until_arrived()
    async with asyncio.timeout(DEADLINE_SECONDS):
        await pool.stop()
    assert (work.done, engine.running()) == ([], {})


async def test_starting_and_stopping_is_idempotent(pool: WorkerPool, engine: EmbeddedEngine) -> None:
    for _ in range(3):
        await pool.stop()
        await pool.stop()
        await pool.start()
        await pool.start()
