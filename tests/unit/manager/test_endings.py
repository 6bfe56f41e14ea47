"""Whoever waits for a job's end is woken by its run here or by its final event, and forgotten when gone."""

import asyncio

from tests.support.jobs import new_job

from airboss.domain.events import Event
from airboss.domain.jobs import Job
from airboss.manager.endings import FINAL_EVENTS, Endings


def nowhere(_job_id: str) -> bool:
    return False


def event(kind: str, job: str = "j1") -> Event:
    return Event(1, kind, 0, "n1", "default", job, "alpha", "{}")


async def test_only_a_final_event_of_the_job_wakes() -> None:
    endings = Endings(nowhere)
    with endings.of("j1") as one, endings.of("j1") as two, endings.of("j2") as other:
        endings.on_event(event("job.started"))
        endings.on_event(event("output.delta"))
        endings.on_event(event("job.completed", "j3"))
        assert not one.done()
        endings.on_event(event("job.cancelled"))
        endings.on_event(event("job.cancelled"))
        assert (one.done(), two.done(), other.done()) == (True, True, False)


async def test_every_final_event_wakes() -> None:
    endings = Endings(nowhere)
    for kind in FINAL_EVENTS:
        with endings.of("j1") as ending:
            endings.on_event(event(kind))
            assert ending.done()


async def test_everyone_is_released_and_a_waiter_that_left_is_harmless() -> None:
    endings = Endings(nowhere)
    with endings.of("j1") as gone:
        gone.cancel()
        endings.on_event(event("job.failed"))
    endings.on_event(event("job.failed"))
    with endings.of("j1") as one, endings.of("j2") as two:
        endings.close()
        await asyncio.wait_for(asyncio.gather(one, two), 1)
        assert endings.is_closed


async def test_what_runs_here_is_told_by_its_run_with_the_job() -> None:
    endings = Endings(lambda job_id: job_id == "j1")
    job = new_job()
    made: list[int] = []

    def whole() -> Job:
        made.append(1)
        return job

    endings.tell("j1", whole)
    assert not made, "nobody waits: nothing is made"
    with endings.of("j1") as one, endings.of("j1") as two:
        endings.on_event(event("job.completed"))
        assert not one.done(), "its run tells more, in the next turn"
        endings.tell("j1", whole)
        assert (one.result(), two.result()) == (job, job)
    with endings.of("j2") as other:
        endings.on_event(event("job.completed", "j2"))
        assert other.result() is None
