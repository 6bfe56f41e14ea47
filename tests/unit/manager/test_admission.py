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
        admission.take_place()
        await stored.wait()
        engine.offer(entry(number))
        admission.give_back()

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


def test_a_place_is_free_again_once_it_is_given_back() -> None:
    engine = EmbeddedEngine()
    admission = Admission(engine, DepartureRate(FakeClock()), capacity=1)
    for _ in range(5):
        admission.take_place()
        admission.give_back()
    admission.take_place()
    engine.offer(entry(1))
    admission.give_back()
    with pytest.raises(AirbossError):
        admission.take_place()
    assert engine.withdraw(entry(1))
    admission.take_place()


def test_nobody_gets_in_where_there_is_no_place() -> None:
    admission = Admission(EmbeddedEngine(), DepartureRate(FakeClock()), capacity=0)
    with pytest.raises(AirbossError):
        admission.take_place()
