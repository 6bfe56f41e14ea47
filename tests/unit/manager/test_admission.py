"""Places are counted before anything is awaited."""

import asyncio

import pytest
from tests.support.clock import FakeClock
from tests.support.jobs import job_id

from airboss.domain.errors import AirbossError
from airboss.engines.embedded import EmbeddedEngine
from airboss.manager.admission import Admission
from airboss.ports.engine import QueueEntry
from airboss.resilience.departures import DepartureRate


def entry(number: int) -> QueueEntry:
    return QueueEntry(number, job_id(number), "alpha", 5)


async def test_a_race_gets_exactly_the_places_there_are() -> None:
    engine = EmbeddedEngine()
    admission = Admission(engine, DepartureRate(FakeClock()), capacity=20)
    stored = asyncio.Event()

    async def spawn(number: int) -> None:
        with admission.place():
            await stored.wait()
            engine.offer(entry(number))

    tasks = [asyncio.ensure_future(spawn(number)) for number in range(200)]
    await asyncio.sleep(0)
    stored.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [answer for answer in answers if answer is not None]
    assert (engine.depth(), len(refused)) == (20, 180)
    for error in refused:
        assert isinstance(error, AirbossError)
        assert error.code == "queue_full"
        assert (error.retry_after_seconds or 0) >= 1
        assert error.details == {"pending": 20, "capacity": 20}


async def test_a_spawn_that_failed_gives_its_place_back() -> None:
    engine = EmbeddedEngine()
    admission = Admission(engine, DepartureRate(FakeClock()), capacity=1)
    for _ in range(5):
        with pytest.raises(OSError, match="disk"), admission.place():
            raise OSError("disk")
    with admission.place():
        engine.offer(entry(1))
    with pytest.raises(AirbossError), admission.place():
        pass
    assert engine.withdraw(entry(1))
    with admission.place():
        pass


def test_nobody_gets_in_where_there_is_no_place() -> None:
    admission = Admission(EmbeddedEngine(), DepartureRate(FakeClock()), capacity=0)
    with pytest.raises(AirbossError), admission.place():
        pass
