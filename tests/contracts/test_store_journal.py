"""The journal of a run in every store: kept under its claim, across interruptions, and gone with the job."""

from collections.abc import Awaitable, Callable, Sequence

import pytest
from tests.support.clock import START_MS
from tests.support.events import EventRecorder
from tests.support.jobs import delta, new_job

from airboss.domain.agents import OnInterrupt
from airboss.domain.jobs import Job, Outcome, Usage
from airboss.domain.journal import EntryKind, JournalEntry, JournalKey
from airboss.domain.states import FINAL_STATES, JobState
from airboss.ports.store import Store

pytestmark = pytest.mark.usefixtures("recorder")

LATER_MS = START_MS + 5000


def entry(turn: int, index: int | None = None, answer: str | None = "{}") -> JournalEntry:
    key = JournalKey(EntryKind.MODEL, turn) if index is None else JournalKey(EntryKind.TOOL, turn, index)
    return JournalEntry(key, f"hash of {turn}", answer)


async def started(store: Store, number: int = 1, **fields: object) -> Job:
    job = (await store.spawn(new_job(number, **fields), None)).job
    running = await store.start(job.id, START_MS)
    assert running is not None
    return running


async def keep(store: Store, job: Job, *entries: JournalEntry, usage: Usage | None = None) -> bool:
    return all(
        [
            await store.record(each, [], usage or Usage(), 1.0, job_id=job.id, claim=job.claim)
            for each in entries
        ]
    )


def in_order(entries: Sequence[JournalEntry]) -> list[JournalEntry]:
    return sorted(entries, key=lambda each: (each.key.turn, each.key.kind, each.key.index))


async def test_entries_come_back_as_they_were_kept_and_a_later_one_takes_the_place(store: Store) -> None:
    job = await started(store)
    begun, ended = entry(1, 0, answer=None), entry(1, 0, answer='{"text": "naïve 文件"}')
    assert await keep(store, job, entry(1), begun, entry(1, 1), ended, entry(2))
    assert in_order(await store.journal(job.id)) == [entry(1), ended, entry(1, 1), entry(2)]
    assert await store.journal(new_job(2).id) == []


async def test_what_is_kept_counts_and_is_told_with_it(store: Store, recorder: EventRecorder) -> None:
    job = await started(store)
    for turn in (1, 2):
        assert await store.record(
            entry(turn), [delta(job)], Usage(1, 10, 2), 1.0, job_id=job.id, claim=job.claim
        )
    found = await store.get(job.id, None)
    assert found is not None
    assert found.usage == Usage(2, 20, 4)
    assert recorder.types(job.id).count("output.delta") == 2


async def test_who_lost_the_claim_keeps_nothing_and_forgets_nothing(
    store: Store, recorder: EventRecorder
) -> None:
    first = await started(store)
    assert await keep(store, first, entry(1), entry(2))
    await store.interrupt(first.id, first.claim, "draining", 1.0, LATER_MS)
    told = len(recorder.events)
    assert not await store.record(entry(3), [delta(first)], Usage(), 1.0, job_id=first.id, claim=first.claim)
    await store.forget(first.id, 1, claim=first.claim)
    second = await store.start(first.id, LATER_MS)
    assert second is not None
    await store.forget(first.id, 1, claim=first.claim)
    assert in_order(await store.journal(first.id)) == [entry(1), entry(2)]
    assert len(recorder.events) == told + 1
    await store.forget(second.id, 2, claim=second.claim)
    assert in_order(await store.journal(first.id)) == [entry(1)]


async def test_a_start_tells_how_many_model_calls_need_not_be_made_again(
    store: Store, recorder: EventRecorder
) -> None:
    job = await started(store)
    assert recorder.events[-1].data["resumed_steps"] == 0
    assert await keep(store, job, entry(1), entry(1, 0), entry(1, 1, answer=None), entry(2))
    await store.interrupt(job.id, job.claim, "draining", 1.0, LATER_MS)
    await store.start(job.id, LATER_MS)
    assert recorder.events[-1].data["resumed_steps"] == 2


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
async def test_it_goes_with_the_end_of_its_job_and_of_no_other(store: Store, state: JobState) -> None:
    job, other = await started(store), await started(store, 2)
    assert await keep(store, job, entry(1), entry(1, 0))
    assert await keep(store, other, entry(1))
    assert await store.finish(job.id, job.claim, Outcome(state), LATER_MS)
    assert await store.journal(job.id) == []
    assert await store.journal(other.id) == [entry(1)]


async def _cancelled_while_pending(store: Store, job: Job) -> None:
    await store.interrupt(job.id, job.claim, "draining", 1.0, LATER_MS)
    await store.request_cancel(job.id, None, "someone", LATER_MS)


async def _given_up(store: Store, job: Job) -> None:
    await store.interrupt(job.id, job.claim, "draining", 1.0, LATER_MS)
    await store.end_pending(job.id, Outcome(JobState.TIMED_OUT), LATER_MS)


async def _handed_back_after_a_cancel(store: Store, job: Job) -> None:
    await store.request_cancel(job.id, None, "someone", LATER_MS)
    await store.interrupt(job.id, job.claim, "draining", 1.0, LATER_MS)


async def _lost_for_the_last_time(store: Store, job: Job) -> None:
    await store.recover(LATER_MS, {job.agent: OnInterrupt.FAIL})


@pytest.mark.parametrize(
    "end", [_cancelled_while_pending, _given_up, _handed_back_after_a_cancel, _lost_for_the_last_time]
)
async def test_it_goes_with_every_way_to_end(
    store: Store, end: Callable[[Store, Job], Awaitable[None]]
) -> None:
    job = await started(store)
    assert await keep(store, job, entry(1))
    await end(store, job)
    found = await store.get(job.id, None)
    assert found is not None
    assert found.state.is_final
    assert await store.journal(job.id) == []


@pytest.mark.parametrize(("policy", "left"), [(OnInterrupt.RESUME, [entry(1)]), (OnInterrupt.RESTART, [])])
async def test_recovery_keeps_it_unless_the_agent_wants_to_start_from_scratch(
    store: Store, policy: OnInterrupt, left: list[JournalEntry]
) -> None:
    job = await started(store)
    assert await keep(store, job, entry(1))
    await store.recover(LATER_MS, {job.agent: policy})
    assert await store.journal(job.id) == left
