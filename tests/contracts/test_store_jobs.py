"""The life of a job in every store: spawned, claimed, ended, once."""

import asyncio
import random
from dataclasses import replace
from typing import Any

import pytest
from tests.support.clock import START_MS
from tests.support.events import EventRecorder
from tests.support.jobs import delta, job_id, new_job, summary_of
from tests.support.stores import all_jobs, kept_counts, recount

from airboss.domain.errors import JobError, StorageUnavailableError
from airboss.domain.jobs import AnsweredBy, Job, Outcome, Usage
from airboss.domain.journal import EntryKind, JournalEntry, JournalKey
from airboss.domain.states import FINAL_STATES, JobState
from airboss.domain.times import rfc3339
from airboss.ports.store import CancelVerdict, JobQuery, Store

pytestmark = pytest.mark.usefixtures("recorder")

COMPLETED = Outcome(JobState.COMPLETED, output="the answer")
FAILED = Outcome(JobState.FAILED, error=JobError("tool_failed", "it broke", {"tool": "files.read"}))
LATER_MS = START_MS + 5000

UNICODE = "naïve — файл 文件 👩‍👩‍👧 \u202e \x00 \u2028 'quoted\" \\"
JSON_VALUES = [
    "text",
    "",
    UNICODE,
    0,
    1.5,
    True,
    False,
    None,
    [],
    {},
    {"список": [1, None, {"deep": [UNICODE]}]},
    2**53,
]


async def started(store: Store, number: int = 1, **fields: Any) -> Job:
    job = (await store.spawn(new_job(number, **fields), None)).job
    running = await store.start(job.id, START_MS + 1000)
    assert running is not None
    return running


async def test_a_spawned_job_can_be_read_as_it_was_given(store: Store) -> None:
    job = new_job(
        priority=9,
        run_at_ms=START_MS + 60_000,
        max_queue_wait_seconds=2.5,
        metadata={"заметка": [1, UNICODE]},
        retry_of=job_id(7),
        input={"question": UNICODE},
        owner=UNICODE,
    )
    spawned = await store.spawn(job, None)
    assert spawned.job == job
    assert not spawned.replayed
    assert await store.get(job.id, None) == job
    assert await store.get(job.id, "default") == job


@pytest.mark.parametrize("value", JSON_VALUES, ids=repr)
async def test_input_and_output_may_be_any_json(store: Store, value: Any) -> None:
    job = await started(store, input=value)
    ended = await store.finish(job.id, job.claim, Outcome(JobState.COMPLETED, output=value), LATER_MS)
    kept = await store.get(job.id, None)
    assert kept is not None
    assert ended is not None
    assert summary_of(kept) == summary_of(ended)
    assert (kept.input, kept.output) == (value, value)
    assert type(kept.output) is type(value)


async def test_a_stored_job_does_not_change_with_what_its_caller_holds(store: Store) -> None:
    question = {"words": ["one"]}
    job = await started(store, input=question, metadata=(metadata := {"tags": ["a"]}))
    answer = {"words": ["two"]}
    await store.finish(job.id, job.claim, Outcome(JobState.COMPLETED, output=answer), LATER_MS)
    question["words"].append("!")
    answer["words"].append("!")
    metadata["tags"].append("!")
    kept = await store.get(job.id, None)
    assert kept is not None
    assert (kept.input, kept.output, kept.metadata) == (
        {"words": ["one"]},
        {"words": ["two"]},
        {"tags": ["a"]},
    )


async def test_there_is_no_job_for_another_tenant_nor_under_an_unknown_id(store: Store) -> None:
    job = (await store.spawn(new_job(tenant="blue"), None)).job
    assert await store.get(job.id, "red") is None
    assert await store.get(job_id(99), None) is None
    assert await store.start(job_id(99), START_MS) is None
    assert await store.finish(job_id(99), 1, COMPLETED, START_MS) is None
    assert await store.interrupt(job_id(99), 1, "draining", 0, START_MS) is None
    assert await store.end_pending(job_id(99), FAILED, START_MS) is None
    assert await store.request_cancel(job_id(99), None, "someone", START_MS) is None
    assert await store.request_cancel(job.id, "red", "someone", START_MS) is None
    assert await store.get(job.id, "blue") == job


async def test_of_many_starters_one_wins(store: Store, recorder: EventRecorder) -> None:
    job = (await store.spawn(new_job(), None)).job
    answers = await asyncio.gather(*(store.start(job.id, START_MS + n) for n in range(20)))
    (winner,) = [answer for answer in answers if answer is not None]
    assert (winner.state, winner.claim, winner.attempt) == (JobState.RUNNING, 1, 1)
    assert winner.started_at_ms is not None
    assert recorder.types(job.id) == ["job.spawned", "job.started"]


async def test_the_start_tells_how_long_the_job_was_due(store: Store, recorder: EventRecorder) -> None:
    await started(store, run_at_ms=START_MS + 400)
    data = recorder.events[-1].data
    assert data["queue_wait_seconds"] == 0.6
    assert data["attempt"] == 1
    assert data["correlation_id"] == "request-1"


async def test_a_job_completes_with_what_it_spent(store: Store, recorder: EventRecorder) -> None:
    job = await started(store)
    outcome = Outcome(
        JobState.COMPLETED,
        output="the answer",
        usage=Usage(2, 30, 4),
        answered_by=AnsweredBy("openai", "gpt"),
        ran_seconds=3.25,
    )
    assert await store.finish(job.id, job.claim, outcome, LATER_MS) is not None
    assert await store.get(job.id, None) == replace(
        job,
        state=JobState.COMPLETED,
        output="the answer",
        usage=Usage(2, 30, 4),
        answered_by=AnsweredBy("openai", "gpt"),
        spent_seconds=3.25,
        finished_at_ms=LATER_MS,
    )
    assert recorder.events[-1].data == {
        "job_id": job.id,
        "agent": "alpha",
        "attempt": 1,
        "correlation_id": "request-1",
        "duration_seconds": 3.25,
        "usage": {"requests": 2, "input_tokens": 30, "output_tokens": 4},
        "output_preview": "the answer",
    }


async def test_a_failure_is_kept_with_its_details(store: Store, recorder: EventRecorder) -> None:
    job = await started(store)
    await store.finish(job.id, job.claim, FAILED, LATER_MS)
    kept = await store.get(job.id, None)
    assert kept is not None
    assert kept.error == FAILED.error
    assert recorder.events[-1].data["error"] == {
        "code": "tool_failed",
        "type": "tool",
        "message": "it broke",
        "details": {"tool": "files.read"},
    }


@pytest.mark.parametrize("state", sorted(FINAL_STATES))
async def test_a_final_state_never_changes(store: Store, recorder: EventRecorder, state: JobState) -> None:
    job = await started(store)
    await store.finish(job.id, job.claim, Outcome(state), LATER_MS)
    ended = await store.get(job.id, None)
    told = len(recorder.events)
    assert await store.start(job.id, LATER_MS) is None
    assert await store.finish(job.id, job.claim, COMPLETED, LATER_MS) is None
    assert await store.interrupt(job.id, job.claim, "draining", 1.0, LATER_MS) is None
    assert await store.end_pending(job.id, FAILED, LATER_MS) is None
    result = await store.request_cancel(job.id, None, "someone", LATER_MS)
    assert result is not None
    assert result.verdict is CancelVerdict.ALREADY_FINAL
    assert result.job == ended
    assert not await store.append([delta(job)], job_id=job.id, claim=job.claim)
    assert not (await store.recover(LATER_MS, {})).pending
    assert await store.get(job.id, None) == ended
    assert len(recorder.events) == told


async def test_only_the_newest_claim_moves_a_job(store: Store, recorder: EventRecorder) -> None:
    first = await started(store)
    await store.interrupt(first.id, first.claim, "draining", 1.0, LATER_MS)
    second = await store.start(first.id, LATER_MS)
    assert second is not None
    assert second.claim == first.claim + 1
    told = len(recorder.events)
    assert await store.finish(first.id, first.claim, COMPLETED, LATER_MS) is None
    assert await store.interrupt(first.id, first.claim, "draining", 1.0, LATER_MS) is None
    assert not await store.append([delta(first)], job_id=first.id, claim=first.claim)
    assert len(recorder.events) == told
    assert await store.get(first.id, None) == second
    assert await store.append([delta(second)], job_id=second.id, claim=second.claim)


async def test_an_interrupt_gives_the_attempt_back_and_keeps_the_time_spent(
    store: Store, recorder: EventRecorder
) -> None:
    job = await started(store, max_attempts=1)
    for round_number in range(1, 4):
        handed_back = await store.interrupt(job.id, job.claim, "draining", 1.5, LATER_MS)
        assert handed_back is not None
        assert (handed_back.state, handed_back.attempt) == (JobState.PENDING, 0)
        assert handed_back.spent_seconds == 1.5 * round_number
        again = await store.start(job.id, LATER_MS)
        assert again is not None
        assert (again.attempt, again.claim) == (1, round_number + 1)
        assert again.started_at_ms == job.started_at_ms
        job = again
    assert recorder.types(job.id).count("job.interrupted") == 3
    assert recorder.events[-2].data["reason"] == "draining"


async def test_recovery_spends_the_attempt_and_stops_at_the_last(
    store: Store, recorder: EventRecorder
) -> None:
    job = (await store.spawn(new_job(max_attempts=2), None)).job
    assert await store.start(job.id, START_MS)
    first = await store.recover(LATER_MS, {})
    assert [(found.id, found.attempt, found.state) for found in first.pending] == [
        (job.id, 1, JobState.PENDING)
    ]
    assert (first.interrupted, first.ended) == (1, 0)
    assert recorder.events[-1].data["reason"] == "worker_lost"
    assert await store.start(job.id, LATER_MS)
    second = await store.recover(LATER_MS, {})
    assert (list(second.pending), second.interrupted, second.ended) == ([], 0, 1)
    kept = await store.get(job.id, None)
    assert kept is not None
    assert kept.error is not None
    assert (kept.state, kept.attempt, kept.error.code) == (JobState.FAILED, 2, "worker_lost")
    assert recorder.types(job.id) == [
        "job.spawned",
        "job.started",
        "job.interrupted",
        "job.started",
        "job.failed",
    ]


@pytest.mark.parametrize("max_attempts", [1, 3])
async def test_recovery_keeps_the_running_time_that_the_journal_tells_of(
    store: Store, recorder: EventRecorder, max_attempts: int
) -> None:
    job = (await store.spawn(new_job(max_attempts=max_attempts), None)).job
    key = JournalKey(EntryKind.MODEL, 1)
    for claim, seconds in enumerate((2.5, 4.0)[: min(2, max_attempts)], start=1):
        await store.start(job.id, START_MS)
        for so_far in (seconds / 2, seconds):
            entry = JournalEntry(key, "hash", "answer")
            assert await store.record(entry, [], Usage(), so_far, job_id=job.id, claim=claim)
        await store.recover(START_MS, {})
    found = await store.get(job.id, None)
    assert found is not None
    assert found.spent_seconds == (2.5 if max_attempts == 1 else 6.5)
    if max_attempts > 1:
        # A start that told nothing of itself adds nothing, least of all what an earlier one told.
        await store.start(job.id, START_MS)
        await store.recover(START_MS, {})
        assert (await store.get(job.id, None) or job).spent_seconds == 6.5


async def test_recovery_keeps_the_promise_to_cancel(store: Store) -> None:
    jobs = [await started(store, number, max_attempts=number) for number in (1, 2)]
    for job in jobs:
        await store.request_cancel(job.id, None, "someone", LATER_MS)
    recovered = await store.recover(LATER_MS, {})
    assert list(recovered.pending) == []
    for job in jobs:
        kept = await store.get(job.id, None)
        assert kept is not None
        assert kept.state is JobState.CANCELLED


async def test_recovery_returns_every_pending_job_in_order(store: Store) -> None:
    numbers = list(range(30))
    random.Random(1).shuffle(numbers)
    for number in numbers:
        await store.spawn(new_job(number, tenant=f"t{number % 3}"), None)
    recovered = await store.recover(LATER_MS, {})
    assert [job.id for job in recovered.pending] == [job_id(number) for number in range(30)]
    assert recovered.interrupted == recovered.ended == 0


async def test_a_pending_job_is_cancelled_at_once(store: Store, recorder: EventRecorder) -> None:
    job = (await store.spawn(new_job(), None)).job
    result = await store.request_cancel(job.id, "default", "someone", LATER_MS)
    assert result is not None
    assert result.verdict is CancelVerdict.CANCELLED
    assert result.job.state is JobState.CANCELLED
    assert result.job.cancel_requested_at_ms == result.job.finished_at_ms == LATER_MS
    assert await store.start(job.id, LATER_MS) is None
    assert recorder.types(job.id) == ["job.spawned", "job.cancel_requested", "job.cancelled"]
    assert recorder.events[-2].data["by"] == "someone"


async def test_a_running_job_is_promised_its_cancel_once(store: Store, recorder: EventRecorder) -> None:
    job = await started(store)
    for moment in (LATER_MS, LATER_MS + 1):
        result = await store.request_cancel(job.id, None, "someone", moment)
        assert result is not None
        assert result.verdict is CancelVerdict.STOPPING
        assert result.job.state is JobState.RUNNING
        assert result.job.cancel_requested_at_ms == LATER_MS
    assert recorder.types(job.id).count("job.cancel_requested") == 1


@pytest.mark.parametrize(
    "outcome",
    [COMPLETED, FAILED, Outcome(JobState.TIMED_OUT, error=JobError("job_timeout", "too long"))],
    ids=lambda outcome: outcome.state.value,
)
async def test_after_the_promise_a_job_ends_cancelled_and_nothing_else(
    store: Store, recorder: EventRecorder, outcome: Outcome
) -> None:
    job = await started(store)
    await store.request_cancel(job.id, None, "someone", LATER_MS)
    await store.finish(job.id, job.claim, replace(outcome, usage=Usage(1, 2, 3)), LATER_MS)
    ended = await store.get(job.id, None)
    assert ended is not None
    assert (ended.state, ended.output, ended.error) == (JobState.CANCELLED, None, None)
    assert ended.usage == Usage(1, 2, 3)
    assert recorder.types(job.id)[-1] == "job.cancelled"
    assert recorder.events[-1].data["reason"] == "cancel_requested"


async def test_a_drain_keeps_the_promise_to_cancel(store: Store) -> None:
    job = await started(store)
    await store.request_cancel(job.id, None, "someone", LATER_MS)
    ended = await store.interrupt(job.id, job.claim, "draining", 1.0, LATER_MS)
    assert ended is not None
    assert (ended.state, ended.spent_seconds) == (JobState.CANCELLED, 1.0)


async def test_cancel_and_finish_agree_on_who_was_first(store: Store) -> None:
    for number in range(40):
        job = await started(store, number)
        cancel = store.request_cancel(job.id, None, "someone", LATER_MS)
        finish = store.finish(job.id, job.claim, COMPLETED, LATER_MS)
        if number % 2:
            result, _ = await asyncio.gather(cancel, finish)
        else:
            _, result = await asyncio.gather(finish, cancel)
        kept = await store.get(job.id, None)
        assert result is not None
        assert kept is not None
        if result.verdict is CancelVerdict.ALREADY_FINAL:
            assert (kept.state, result.job.state) == (JobState.COMPLETED, JobState.COMPLETED)
            assert kept.cancel_requested_at_ms is None
        else:
            assert kept.state is JobState.CANCELLED


async def test_a_job_that_never_had_its_turn_can_end(store: Store) -> None:
    job = (await store.spawn(new_job(), None)).job
    timed_out = Outcome(JobState.TIMED_OUT, error=JobError("queue_timeout", "too long"))
    ended = await store.end_pending(job.id, timed_out, LATER_MS)
    assert ended is not None
    assert (ended.state, ended.started_at_ms, ended.finished_at_ms) == (JobState.TIMED_OUT, None, LATER_MS)
    running = await started(store, 2)
    assert await store.end_pending(running.id, timed_out, LATER_MS) is None


async def test_what_cannot_be_kept_changes_nothing(store: Store, recorder: EventRecorder) -> None:
    job = await started(store)
    told = len(recorder.events)
    for output in ("\ud800", float("nan"), {1, 2}, object()):
        with pytest.raises((TypeError, ValueError)):
            await store.finish(job.id, job.claim, Outcome(JobState.COMPLETED, output=output), LATER_MS)
        with pytest.raises((TypeError, ValueError)):
            await store.spawn(new_job(2, input=output, input_preview=""), None)
    assert await store.get(job.id, None) == job
    assert await store.get(job_id(2), None) is None
    assert len(recorder.events) == told
    assert kept_counts(store) == await recount(store)


async def test_a_closed_store_says_so_and_keeps_nothing(store: Store) -> None:
    await store.close()
    with pytest.raises(StorageUnavailableError):
        await store.spawn(new_job(), None)
    with pytest.raises(StorageUnavailableError):
        await store.probe()
    assert kept_counts(store).total() == 0


async def test_the_probe_writes_and_tells_nobody(store: Store, recorder: EventRecorder) -> None:
    await store.probe()
    await store.probe()
    assert recorder.events == []


@pytest.mark.parametrize("seed", range(5))
async def test_the_kept_counts_equal_a_recount_after_a_random_run(store: Store, seed: int) -> None:
    dice = random.Random(seed)
    jobs: list[Job] = []
    for number in range(200):
        if not jobs or dice.random() < 0.35:
            fields = {"tenant": dice.choice("abc"), "agent": dice.choice(["alpha", "beta"])}
            jobs.append((await store.spawn(new_job(number, **fields), None)).job)
            continue
        known = dice.choice(jobs)
        job = await store.get(known.id, None)
        assert job is not None
        match dice.randrange(6):
            case 0 | 1:
                await store.start(job.id, LATER_MS)
            case 2:
                await store.finish(job.id, job.claim, dice.choice([COMPLETED, FAILED]), LATER_MS)
            case 3:
                await store.interrupt(job.id, job.claim, "draining", 0.5, LATER_MS)
            case 4:
                await store.request_cancel(job.id, None, "someone", LATER_MS)
            case _:
                await store.end_pending(job.id, FAILED, LATER_MS)
    assert kept_counts(store) == await recount(store)
    await store.recover(LATER_MS, {})
    assert kept_counts(store) == await recount(store)
    assert len(await all_jobs(store, JobQuery(None))) == len(jobs)


async def test_a_reschedule_spends_the_attempt_and_waits_for_its_moment(
    store: Store, recorder: EventRecorder
) -> None:
    job = await started(store, max_attempts=2)
    error = JobError("provider_unavailable", "gone")
    failed = Outcome(JobState.FAILED, error=error, usage=Usage(2, 10, 1), ran_seconds=1.5)
    run_at_ms = LATER_MS + 30_000
    waiting = await store.reschedule(job.id, job.claim, failed, run_at_ms, LATER_MS)
    assert waiting is not None
    assert (waiting.state, waiting.attempt, waiting.error) == (JobState.PENDING, 1, None)
    assert (waiting.run_at_ms, waiting.due_at_ms) == (run_at_ms, run_at_ms)
    assert (waiting.usage, waiting.spent_seconds) == (Usage(2, 10, 1), 1.5)
    event = recorder.events[-1]
    assert event.type == "job.retry_scheduled"
    assert event.data["code"] == "provider_unavailable"
    assert event.data["run_at"] == rfc3339(run_at_ms)
    assert await store.reschedule(job.id, job.claim, failed, run_at_ms, LATER_MS) is None


async def test_a_reschedule_keeps_the_promise_to_cancel(store: Store) -> None:
    job = await started(store)
    await store.request_cancel(job.id, None, "someone", LATER_MS)
    failed = Outcome(JobState.FAILED, error=JobError("provider_unavailable", "gone"))
    ended = await store.reschedule(job.id, job.claim, failed, LATER_MS, LATER_MS)
    assert ended is not None
    assert ended.state is JobState.CANCELLED
