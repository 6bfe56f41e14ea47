"""One key makes one job, in every store."""

import asyncio

import pytest
from tests.support.clock import START_MS
from tests.support.events import EventRecorder
from tests.support.jobs import new_job

from airboss.domain.jobs import Outcome
from airboss.domain.states import JobState
from airboss.ports.store import Cutoffs, Idempotency, IdempotencyMismatchError, JobQuery, Store

pytestmark = pytest.mark.usefixtures("recorder")

KEY = Idempotency("key ключ", "hash of the body")
OTHER_BODY = Idempotency("key ключ", "hash of another body")


async def test_the_same_body_gives_the_first_job_as_it_now_stands(
    store: Store, recorder: EventRecorder
) -> None:
    first = await store.spawn(new_job(1), KEY)
    running = await store.start(first.job.id, START_MS)
    again = await store.spawn(new_job(2), KEY)
    assert again.replayed
    assert again.job == running
    assert await store.replay("default", KEY) == running
    assert len(await store.list_jobs(JobQuery(None))) == 1
    assert recorder.types() == ["job.spawned", "job.started"]


async def test_a_new_key_has_no_job(store: Store) -> None:
    assert await store.replay("default", KEY) is None


async def test_another_body_is_refused(store: Store, recorder: EventRecorder) -> None:
    await store.spawn(new_job(1), KEY)
    with pytest.raises(IdempotencyMismatchError):
        await store.spawn(new_job(2), OTHER_BODY)
    with pytest.raises(IdempotencyMismatchError):
        await store.replay("default", OTHER_BODY)
    assert recorder.types() == ["job.spawned"]


async def test_the_same_key_of_another_tenant_is_another_key(store: Store) -> None:
    red = await store.spawn(new_job(1, tenant="red"), KEY)
    blue = await store.spawn(new_job(2, tenant="blue"), OTHER_BODY)
    assert not blue.replayed
    assert await store.replay("red", KEY) == red.job
    assert await store.replay("blue", OTHER_BODY) == blue.job


async def test_many_at_once_make_one_job(store: Store, recorder: EventRecorder) -> None:
    answers = await asyncio.gather(*(store.spawn(new_job(n), KEY) for n in range(100)))
    assert len({answer.job.id for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert recorder.types() == ["job.spawned"]


async def test_mismatches_in_the_crowd_do_not_spoil_the_rest(store: Store) -> None:
    answers = await asyncio.gather(
        store.spawn(new_job(0), KEY),
        *(store.spawn(new_job(n), OTHER_BODY if n % 2 else None) for n in range(1, 20)),
        return_exceptions=True,
    )
    refused = [answer for answer in answers if isinstance(answer, IdempotencyMismatchError)]
    assert len(refused) == 10
    assert len(await store.list_jobs(JobQuery(None))) == 10


async def test_a_key_whose_job_was_pruned_makes_a_new_job(store: Store) -> None:
    first = (await store.spawn(new_job(1), KEY)).job
    await store.end_pending(first.id, Outcome(JobState.FAILED), START_MS)
    cutoffs = Cutoffs(jobs_before_ms=START_MS + 10, events_before_ms=0, keys_before_ms=0)
    assert (await store.prune(cutoffs, START_MS + 10, 100)).jobs == 1
    assert await store.replay("default", KEY) is None
    second = await store.spawn(new_job(2), KEY)
    assert not second.replayed
    assert await store.replay("default", KEY) == second.job


async def test_an_old_key_is_forgotten_and_its_job_is_not(store: Store) -> None:
    first = (await store.spawn(new_job(1), KEY)).job
    cutoffs = Cutoffs(jobs_before_ms=0, events_before_ms=0, keys_before_ms=START_MS + 1)
    report = await store.prune(cutoffs, START_MS + 1, 100)
    assert (report.jobs, report.keys) == (0, 1)
    assert await store.get(first.id, None) == first
    second = await store.spawn(new_job(2), OTHER_BODY)
    assert not second.replayed
