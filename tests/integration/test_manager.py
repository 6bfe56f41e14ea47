"""A whole node without HTTP: jobs come in, run, are stopped, survive, and nothing is lost or left."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.support.clock import DEADLINE_SECONDS, START_MS, FakeClock
from tests.support.jobs import delta, new_agent
from tests.support.loops import HeldLoop, ScriptedLoop
from tests.support.nodes import ADMIN, BY_ADMIN, CALLER, Node, running_node
from tests.support.stores import ADAPTERS, HeldStore, kept_counts, make_store, recount

from airboss.domain.agents import AgentSpec
from airboss.domain.errors import AirbossError, JobFailure, StorageUnavailableError
from airboss.domain.event_types import EventType
from airboss.domain.events import EventDraft
from airboss.domain.jobs import AnsweredBy, Job, Usage
from airboss.domain.journal import EntryKind, JournalEntry, JournalKey
from airboss.domain.principals import Principal, Role
from airboss.domain.states import JobState
from airboss.manager.requests import SpawnRequest
from airboss.ports.engine import QueueEntry
from airboss.ports.loop import AgentLoop, ClaimLostError, Run
from airboss.ports.store import Idempotency, JobQuery
from airboss.storage.memory import MemoryStore


async def refused(work: asyncio.Future[object] | object, code: str) -> AirbossError:
    with pytest.raises(AirbossError) as raised:
        await work  # type: ignore[misc]
    assert raised.value.code == code
    return raised.value


@pytest.fixture
def store() -> HeldStore:
    return HeldStore()


@pytest.fixture
def loop() -> HeldLoop:
    return HeldLoop()


# -- the plain way ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_a_job_runs_to_its_answer(adapter: str, tmp_path: Path) -> None:
    async def work(run: Run) -> object:
        run.journal.emit([delta(run.job, "half")])
        run.report.usage = Usage(1, 20, 3)
        run.report.answered_by = AnsweredBy("offline", "planner")
        return {"answer": run.job.input}

    async with running_node(make_store(adapter, tmp_path), ScriptedLoop(work)) as node:
        job = await node.spawn(input="question", metadata={"a": 1})
        assert (job.state, job.agent_revision) == (JobState.PENDING, new_agent().revision)
        ended = await node.ended(job.id)
        assert (ended.state, ended.output) == (JobState.COMPLETED, {"answer": "question"})
        assert (ended.usage, ended.answered_by) == (Usage(1, 20, 3), AnsweredBy("offline", "planner"))
        assert (ended.attempt, ended.claim) == (1, 1)
        assert node.recorder.types(job.id) == ["job.spawned", "job.started", "output.delta", "job.completed"]
        assert (node.manager.queue_depth, node.manager.running_count) == (0, 0)


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_many_jobs_all_end_once_and_no_more_run_than_there_are_slots(
    adapter: str, tmp_path: Path
) -> None:
    async def work(run: Run) -> object:
        await asyncio.sleep(0)
        return run.job.input

    loop = ScriptedLoop(work)
    async with running_node(make_store(adapter, tmp_path), loop, slots=3) as node:
        jobs = await asyncio.gather(*(node.spawn(input=n, priority=n % 10) for n in range(300)))
        for job in jobs:
            assert (await node.ended(job.id)).output == job.input
        assert loop.most_running == 3
        assert Counter(loop.started).most_common(1)[0][1] == 1
        assert kept_counts(node.store) == await recount(node.store)
        assert node.log.errors == []


async def test_what_is_not_there_is_refused(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop) as node:
        await refused(node.spawn("nobody"), "unknown_agent")
        for bad in ("x", "01a1ee56-5e00-7001-8000-000000000001"):
            await refused(node.manager.get(bad, ADMIN), "job_not_found")
            await refused(node.manager.cancel(bad, ADMIN), "job_not_found")
            await refused(node.manager.retry(bad, ADMIN, "r"), "job_not_found")
            await refused(node.manager.wait(bad, ADMIN, 0), "job_not_found")
        await refused(node.manager.pause("nobody", BY_ADMIN), "unknown_agent")
        assert store.calls["spawn"] == 0


async def test_another_tenants_job_is_not_there(store: HeldStore, loop: HeldLoop) -> None:
    stranger = Principal("stranger", "elsewhere", Role.RUN)
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await refused(node.manager.get(job.id, stranger), "job_not_found")
        await refused(node.manager.cancel(job.id, stranger), "job_not_found")
        await refused(node.manager.retry(job.id, stranger, "r"), "job_not_found")
        assert (await node.get(job.id)).cancel_requested_at_ms is None


# -- how runs end ----------------------------------------------------------------------------------------


async def test_a_failure_of_the_run_is_the_error_of_the_job(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await loop.until_started(job.id)
        loop.end(job.id, JobFailure("provider_auth", "the key was refused", {"provider": "p"}))
        ended = await node.ended(job.id)
        assert ended.state is JobState.FAILED
        assert ended.error is not None
        assert ended.error.to_dict() == {
            "code": "provider_auth",
            "type": "provider",
            "message": "the key was refused",
            "details": {"provider": "p"},
        }


@pytest.mark.parametrize(
    "error", [ValueError("a secret detail"), asyncio.CancelledError(), BaseExceptionGroup("g", [OSError()])]
)
async def test_what_nobody_expected_is_internal_and_tells_no_detail(
    store: HeldStore, error: BaseException
) -> None:
    async def work(run: Run) -> object:
        raise error

    async with running_node(store, ScriptedLoop(work)) as node:
        ended = await node.ended((await node.spawn()).id)
        assert ended.state is JobState.FAILED
        assert ended.error is not None
        assert ended.error.code == "internal"
        assert "secret" not in ended.error.message
        assert node.log.errors == ["run.broke"]


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize(
    "output",
    ["half a character \ud83d", float("nan"), {1, 2}, object()],
    ids=lambda value: type(value).__name__,
)
async def test_an_answer_that_cannot_be_kept_ends_the_job_all_the_same(
    adapter: str, tmp_path: Path, output: object
) -> None:
    async def work(run: Run) -> object:
        return output if run.job.input == "bad" else "good"

    async with running_node(make_store(adapter, tmp_path), ScriptedLoop(work), slots=1) as node:
        ended = await node.ended((await node.spawn(input="bad")).id)
        assert ended.error is not None
        assert (ended.state, ended.error.code) == (JobState.FAILED, "internal")
        assert (await node.ended((await node.spawn(input="good")).id)).output == "good"


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_a_usage_beyond_all_numbers_does_not_keep_the_job_running(adapter: str, tmp_path: Path) -> None:
    async def work(run: Run) -> object:
        run.report.usage = Usage(1, 10**40, 0)
        return "answer"

    async with running_node(make_store(adapter, tmp_path), ScriptedLoop(work)) as node:
        assert (await node.ended((await node.spawn()).id)).state.is_final


async def test_a_run_that_takes_too_long_is_stopped(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop) as node:
        job = await node.spawn(timeout_seconds=0.02)
        ended = await node.ended(job.id)
        assert ended.error is not None
        assert (ended.state, ended.error.code) == (JobState.TIMED_OUT, "job_timeout")
        assert loop.stopped == [job.id]


async def test_what_a_run_raises_when_it_is_stopped_is_not_why(store: HeldStore) -> None:
    began = asyncio.Event()

    async def work(run: Run) -> object:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise JobFailure("provider_unavailable", "the connection was closed")

    async with running_node(store, ScriptedLoop(work)) as node:
        late = await node.ended((await node.spawn(timeout_seconds=0.02)).id)
        assert late.state is JobState.TIMED_OUT
        began.clear()
        drained = await node.spawn()
        await began.wait()
        await node.manager.drain(0)
        assert (await node.get(drained.id)).state is JobState.PENDING


async def test_the_time_of_all_attempts_counts_towards_the_timeout(store: HeldStore, loop: HeldLoop) -> None:
    clock = FakeClock()
    async with running_node(store, loop, clock=clock) as node:
        job = await node.spawn(timeout_seconds=100)
        await loop.until_started(job.id)
        clock.advance(100)
        await node.manager.drain(0)
    assert (await store.get(job.id, None) or job).spent_seconds == 100
    async with running_node(store, loop, clock=clock) as node:
        assert (await node.ended(job.id)).state is JobState.TIMED_OUT


async def test_an_agent_that_is_gone_ends_its_jobs(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop, agents=[new_agent("alpha"), new_agent("beta")]) as node:
        await node.manager.pause("alpha", BY_ADMIN)
        waiting = await node.spawn("alpha")
        running = await node.spawn("beta")
        await loop.until_started(running.id)
    async with running_node(store, loop, agents=[new_agent("gamma")]) as node:
        for job in (waiting, running):
            ended = await node.ended(job.id)
            assert ended.error is not None
            assert (ended.state, ended.error.code) == (JobState.FAILED, "agent_removed")


# -- cancelling ------------------------------------------------------------------------------------------


async def test_a_pending_job_is_cancelled_at_once(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop) as node:
        await node.manager.pause("alpha", BY_ADMIN)
        job = await node.spawn()
        view, done = await node.manager.cancel(job.id, CALLER)
        assert (view.job.state, done, view.queue_position) == (JobState.CANCELLED, True, None)
        assert node.manager.queue_depth == 0
        await node.manager.resume("alpha", BY_ADMIN)
        await refused(node.manager.cancel(job.id, CALLER), "already_final")
        assert loop.started == []


async def test_a_running_job_is_stopped_and_ends_cancelled(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await loop.until_started(job.id)
        view, done = await node.manager.cancel(job.id, CALLER)
        assert (view.job.state, done) == (JobState.RUNNING, False)
        ended = await node.ended(job.id)
        assert ended.state is JobState.CANCELLED
        assert loop.stopped == [job.id]
        assert node.recorder.types(job.id)[-2:] == ["job.cancel_requested", "job.cancelled"]
        await refused(node.manager.cancel(job.id, CALLER), "already_final")


async def test_a_cancel_during_the_claim_stops_the_run_before_it_begins(
    store: HeldStore, loop: HeldLoop
) -> None:
    claimed = store.hold_answer("start")
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await claimed.until_arrived()
        _, done = await node.manager.cancel(job.id, CALLER)
        assert not done
        claimed.open()
        assert (await node.ended(job.id)).state is JobState.CANCELLED
        assert loop.started == []


async def test_a_cancel_before_the_claim_wins(store: HeldStore, loop: HeldLoop) -> None:
    claiming = store.hold("start")
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await claiming.until_arrived()
        _, done = await node.manager.cancel(job.id, CALLER)
        assert done
        claiming.open()
        other = await node.spawn()
        await loop.until_started(other.id)
        assert loop.started == [other.id]
        assert (await node.get(job.id)).state is JobState.CANCELLED


async def test_a_result_behind_the_promise_to_cancel_does_not_count(store: HeldStore, loop: HeldLoop) -> None:
    ending = store.hold("finish")
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await loop.until_started(job.id)
        loop.end(job.id, "too late")
        await ending.until_arrived()
        _, done = await node.manager.cancel(job.id, CALLER)
        assert not done
        ending.open()
        ended = await node.ended(job.id)
        assert (ended.state, ended.output) == (JobState.CANCELLED, None)


async def test_a_run_that_will_not_stop_does_not_hold_its_job_and_slot(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airboss.manager.runner._STOP_SECONDS", 0.02)
    let_go = asyncio.Event()
    began = asyncio.Event()

    async def work(run: Run) -> object:
        began.set()
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        return "finally"

    async with running_node(store, ScriptedLoop(work), slots=1) as node:
        job = await node.spawn()
        await began.wait()
        await node.manager.cancel(job.id, CALLER)
        assert (await node.ended(job.id)).state is JobState.CANCELLED
        assert node.log.errors == ["run.did_not_stop"]
        let_go.set()
        other = await node.spawn()
        assert (await node.ended(other.id)).state is JobState.COMPLETED
        assert (await node.get(job.id)).state is JobState.CANCELLED


async def test_late_writes_are_refused_and_counted(store: HeldStore) -> None:
    lost: list[type[BaseException]] = []

    async def work(run: Run) -> object:
        # Another node has taken the job meanwhile, as after a long pause of this process.
        await store.interrupt(run.job.id, run.job.claim, "worker_lost", 0.0, START_MS)
        run.journal.emit([EventDraft(EventType.JOB_PROGRESSED, START_MS, {"message": "late"})])
        try:
            await run.journal.record(
                JournalEntry(JournalKey(EntryKind.MODEL, 1), "hash", "{}"), [], Usage(requests=1)
            )
        except ClaimLostError as error:
            lost.append(type(error))
        return "late"

    async with running_node(store, ScriptedLoop(work), slots=1) as node:
        job = await node.spawn()
        await node.recorder.seen("job.interrupted", job.id)
        await node.manager.stop()
        assert (lost, node.manager.late_writes_total) == ([ClaimLostError], 3)
        left = await node.get(job.id)
        assert (left.state, left.output, left.usage) == (JobState.PENDING, None, Usage())
        assert "job.progressed" not in node.recorder.types(job.id)


async def test_a_second_ring_for_a_running_job_does_not_hide_it(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await loop.until_started(job.id)
        node.engine.offer(QueueEntry(job.due_at_ms, job.id, job.agent, job.priority))
        marker = await node.spawn()
        await loop.until_started(marker.id)
        await node.manager.cancel(job.id, CALLER)
        assert (await node.ended(job.id)).state is JobState.CANCELLED
        assert loop.started == [job.id, marker.id]
        assert node.log.errors == []


# -- callers that go away --------------------------------------------------------------------------------


async def test_a_spawn_whose_caller_has_gone_is_queued_all_the_same(store: HeldStore, loop: HeldLoop) -> None:
    committed = store.hold_answer("spawn")
    async with running_node(store, loop) as node:
        caller = asyncio.ensure_future(node.spawn())
        await committed.until_arrived()
        caller.cancel()
        await asyncio.wait([caller])
        committed.open()
        await loop.until_running()
        assert node.recorder.types() == ["node.joined", "job.spawned", "job.started"]


async def test_a_cancel_whose_caller_has_gone_stops_the_run_all_the_same(
    store: HeldStore, loop: HeldLoop
) -> None:
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await loop.until_started(job.id)
        promised = store.hold_answer("request_cancel")
        caller = asyncio.ensure_future(node.manager.cancel(job.id, CALLER))
        await promised.until_arrived()
        caller.cancel()
        await asyncio.wait([caller])
        promised.open()
        assert (await node.ended(job.id)).state is JobState.CANCELLED


# -- capacity --------------------------------------------------------------------------------------------


async def test_capacity_is_exact_under_a_race(store: HeldStore) -> None:
    slow = store.hold("spawn")
    loop = ScriptedLoop()
    async with running_node(store, loop, capacity=20) as node:
        await node.manager.pause("alpha", BY_ADMIN)
        spawns = [asyncio.ensure_future(node.spawn(input=n)) for n in range(200)]
        await slow.until_arrived(20)
        slow.open()
        answers = await asyncio.gather(*spawns, return_exceptions=True)
        accepted = [answer for answer in answers if isinstance(answer, Job)]
        full = [answer for answer in answers if isinstance(answer, AirbossError)]
        assert (len(accepted), len(full)) == (20, 180)
        assert {error.code for error in full} == {"queue_full"}
        assert all((error.retry_after_seconds or 0) >= 1 for error in full)
        assert node.manager.queue_depth == 20
        await node.manager.resume("alpha", BY_ADMIN)
        for job in accepted:
            assert (await node.ended(job.id)).state is JobState.COMPLETED
        await node.spawn()


async def test_a_spawn_that_could_not_be_stored_leaves_its_place(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop, capacity=1) as node:
        await node.manager.pause("alpha", BY_ADMIN)
        store.fail("spawn", 3)
        for _ in range(3):
            with pytest.raises(StorageUnavailableError):
                await node.spawn()
        job = await node.spawn()
        error = await refused(node.spawn(), "queue_full")
        assert error.details == {"pending": 1, "capacity": 1}
        await node.manager.cancel(job.id, CALLER)
        await node.spawn()


async def test_a_job_for_later_takes_no_place_until_it_is_due(store: HeldStore, loop: HeldLoop) -> None:
    clock = FakeClock()
    async with running_node(store, loop, capacity=1, clock=clock) as node:
        await node.manager.pause("alpha", BY_ADMIN)
        later = [await node.spawn(run_at_ms=clock.now_ms() + 500) for _ in range(5)]
        assert node.manager.queue_depth == 0
        assert (await node.manager.get(later[0].id, ADMIN)).queue_position is None
        now = await node.spawn()
        await node.manager.resume("alpha", BY_ADMIN)
        await loop.until_started(now.id)
        assert loop.started == [now.id]
        await clock.someone_sleeps(0.5)
        clock.advance(0.5)
        await loop.until_running(4)
        data = (await node.recorder.seen("job.started", later[0].id)).data
        assert data["queue_wait_seconds"] == 0


async def test_a_job_for_later_follows_a_wall_clock_that_is_set(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop) as node:
        job = await node.spawn(run_at_ms=node.clock.now_ms() + 3_600_000)
        await node.clock.someone_sleeps(1.0)
        node.clock.step_wall(3600)
        node.clock.step_monotonic(1.0)
        await loop.until_started(job.id)


@pytest.mark.parametrize("step_seconds", [3600, -3600])
async def test_a_wall_clock_that_is_set_while_a_job_runs_changes_no_duration(
    store: HeldStore, loop: HeldLoop, step_seconds: float
) -> None:
    async with running_node(store, loop) as node:
        job = await node.spawn(timeout_seconds=60, max_queue_wait_seconds=30)
        await loop.until_started(job.id)
        node.clock.step_wall(step_seconds)
        node.clock.step_monotonic(2.0)
        later = await node.spawn()
        loop.end(job.id)
        ended = await node.ended(job.id)
        assert (ended.state, ended.spent_seconds) == (JobState.COMPLETED, 2.0)
        event = await node.recorder.seen("job.completed", job.id)
        assert event.data["duration_seconds"] == 2.0
        started = await node.recorder.seen("job.started", later.id)
        assert started.data["queue_wait_seconds"] == 0


async def test_a_job_for_later_can_be_cancelled(store: HeldStore, loop: HeldLoop) -> None:
    clock = FakeClock()
    async with running_node(store, loop, clock=clock) as node:
        job = await node.spawn(run_at_ms=clock.now_ms() + 500)
        _, done = await node.manager.cancel(job.id, CALLER)
        assert done
        clock.advance(1)
        other = await node.spawn()
        await loop.until_started(other.id)
        assert loop.started == [other.id]


async def test_an_agent_runs_no_more_than_its_own_limit(store: HeldStore, loop: HeldLoop) -> None:
    agents = [new_agent("alpha", max_concurrent_jobs=1), new_agent("beta")]
    async with running_node(store, loop, agents=agents, slots=3) as node:
        first = await node.spawn("alpha")
        second = await node.spawn("alpha")
        third = await node.spawn("beta")
        await loop.until_running(2)
        assert set(loop.started) == {first.id, third.id}
        alpha, beta = node.manager.queues()
        assert (alpha.depth, alpha.running, beta.depth, beta.running) == (1, 1, 0, 1)
        loop.end(first.id)
        await loop.until_started(second.id)


async def test_a_view_tells_the_place_in_the_queue(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop) as node:
        await node.manager.pause("alpha", BY_ADMIN)
        low = await node.spawn(priority=1)
        high = await node.spawn(priority=9)
        assert (await node.manager.get(high.id, ADMIN)).queue_position == 1
        assert (await node.manager.get(low.id, ADMIN)).queue_position == 2
        views = await node.manager.list_jobs(JobQuery(None))
        assert [(view.job.id, view.queue_position) for view in views] == [(high.id, 1), (low.id, 2)]
        (agent,) = node.manager.agent_views("default")
        assert (agent.running, agent.pending, agent.paused) == (0, 2, True)
        (agent,) = node.manager.agent_views("elsewhere")
        assert (agent.running, agent.pending) == (0, 0)


# -- waiting in the queue --------------------------------------------------------------------------------


async def paused_with(node: Node, **fields: Any) -> Job:
    await node.manager.pause("alpha", BY_ADMIN)
    return await node.spawn(**fields)


async def test_a_job_that_waits_too_long_times_out(store: HeldStore, loop: HeldLoop) -> None:
    clock = FakeClock()
    async with running_node(store, loop, clock=clock) as node:
        job = await paused_with(node, max_queue_wait_seconds=30)
        await clock.someone_sleeps(30)
        clock.advance(30)
        ended = await node.ended(job.id)
        assert ended.error is not None
        assert (ended.state, ended.error.code) == (JobState.TIMED_OUT, "queue_timeout")
        assert (ended.attempt, node.manager.queue_depth) == (0, 0)


async def test_the_wait_begins_when_the_job_is_due(store: HeldStore, loop: HeldLoop) -> None:
    clock = FakeClock()
    async with running_node(store, loop, clock=clock) as node:
        job = await paused_with(node, max_queue_wait_seconds=0.5, run_at_ms=clock.now_ms() + 800)
        await clock.someone_sleeps(0.8)
        clock.advance(0.8)
        await clock.someone_sleeps(0.5)
        assert (await node.get(job.id)).state is JobState.PENDING
        clock.advance(0.5)
        assert (await node.ended(job.id)).state is JobState.TIMED_OUT


async def test_a_job_that_was_started_in_time_does_not_time_out_in_the_queue(
    store: HeldStore, loop: HeldLoop
) -> None:
    clock = FakeClock()
    async with running_node(store, loop, clock=clock) as node:
        job = await node.spawn(max_queue_wait_seconds=5)
        await loop.until_started(job.id)
        clock.advance(10)
        loop.end(job.id)
        assert (await node.ended(job.id)).state is JobState.COMPLETED


async def test_a_wait_that_ends_while_the_store_is_away_is_not_forgotten(
    store: HeldStore, loop: HeldLoop
) -> None:
    clock = FakeClock()
    async with running_node(store, loop, clock=clock) as node:
        job = await paused_with(node, max_queue_wait_seconds=30)
        store.fail("end_pending", 2)
        await clock.someone_sleeps(30)
        clock.advance(30)
        for _ in range(2):
            await clock.someone_sleeps(1)
            clock.advance(1)
        assert (await node.ended(job.id)).state is JobState.TIMED_OUT
        later = await node.spawn(max_queue_wait_seconds=5)
        await clock.someone_sleeps(5)
        clock.advance(5)
        assert (await node.ended(later.id)).state is JobState.TIMED_OUT


async def test_a_claim_that_failed_is_tried_again_and_the_wait_goes_on(
    store: HeldStore, loop: HeldLoop
) -> None:
    clock = FakeClock()
    async with running_node(store, loop, clock=clock) as node:
        store.fail("start", 1)
        job = await node.spawn(max_queue_wait_seconds=50)
        await clock.someone_sleeps(1)
        await clock.someone_sleeps(50)
        await node.manager.pause("alpha", BY_ADMIN)
        clock.advance(1)
        await clock.someone_sleeps(49)
        clock.advance(49)
        assert (await node.ended(job.id)).state is JobState.TIMED_OUT


# -- storage that fails ----------------------------------------------------------------------------------


async def test_the_end_of_a_job_is_written_when_the_store_is_back(store: HeldStore, loop: HeldLoop) -> None:
    clock = FakeClock()
    async with running_node(store, loop, clock=clock) as node:
        job = await node.spawn()
        await loop.until_started(job.id)
        store.fail("finish", 3)
        loop.end(job.id, "kept")
        for _ in range(3):
            await clock.anyone_sleeps()
            clock.advance(5)
        ended = await node.ended(job.id)
        assert (ended.state, ended.output) == (JobState.COMPLETED, "kept")


@pytest.mark.parametrize("method", ["journal", "forget"])
async def test_a_journal_that_is_away_for_a_while_is_waited_for(
    store: HeldStore, loop: HeldLoop, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async def work(run: Run) -> object:
        await run.journal.forget(1)
        return "went on"

    clock = FakeClock()
    async with running_node(store, loop, clock=clock) as node:
        job = await node.spawn()
        await loop.until_started(job.id)
    kept = getattr(store, method)
    answers = [StorageUnavailableError("disk I/O error")] * 2

    async def away(*args: Any, **kwargs: Any) -> object:
        if answers:
            raise answers.pop()
        return await kept(*args, **kwargs)

    monkeypatch.setattr(store, method, away)
    async with running_node(store, ScriptedLoop(work), clock=clock) as node:
        while answers:
            await clock.anyone_sleeps()
            clock.advance(5)
        ended = await node.ended(job.id)
        assert (ended.state, ended.output) == (JobState.COMPLETED, "went on")


async def test_events_that_cannot_be_written_do_not_end_the_run() -> None:
    class Mute(MemoryStore):
        def append(self, drafts: Sequence[EventDraft], *, job_id: str, claim: int) -> asyncio.Future[bool]:
            raise StorageUnavailableError("disk I/O error")

    async def work(run: Run) -> object:
        run.journal.emit([delta(run.job)])
        return "answer"

    async with running_node(Mute(node_id="n1", max_event_bytes=16384), ScriptedLoop(work)) as node:
        assert (await node.ended((await node.spawn()).id)).output == "answer"


# -- drain and recovery ----------------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_a_drain_hands_back_and_the_next_node_finishes(adapter: str, tmp_path: Path) -> None:
    store = make_store(adapter, tmp_path)
    loop = HeldLoop()
    async with running_node(store, loop, slots=2) as node:
        jobs = [await node.spawn(input=n) for n in range(4)]
        await loop.until_running(2)
        quick = jobs[0] if jobs[0].id in loop.started else jobs[1]
        slow = next(job for job in jobs if job.id in loop.started and job is not quick)
        draining = asyncio.ensure_future(node.manager.drain(0.2))
        await asyncio.sleep(0)
        assert node.manager.duty.is_draining
        await refused(node.spawn(), "draining")
        loop.end(quick.id, "in time")
        async with asyncio.timeout(2):
            await draining
        assert (await node.get(quick.id)).state is JobState.COMPLETED
        handed_back = await node.get(slow.id)
        assert (handed_back.state, handed_back.attempt, handed_back.claim) == (JobState.PENDING, 0, 1)
        assert loop.stopped == [slow.id]
        assert node.recorder.types(slow.id)[-1] == "job.interrupted"
    store = store if adapter == "memory" else make_store(adapter, tmp_path)
    async with running_node(store, ScriptedLoop()) as node:
        for job in jobs:
            ended = await node.ended(job.id)
            assert (ended.state, ended.attempt) == (JobState.COMPLETED, 1)
        assert node.recorder.types(quick.id) == []


async def test_a_drain_is_over_in_time_whatever_a_run_does(store: HeldStore) -> None:
    let_go = asyncio.Event()
    began = asyncio.Event()

    async def work(run: Run) -> object:
        began.set()
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        return "never"

    async with running_node(store, ScriptedLoop(work)) as node:
        job = await node.spawn()
        await began.wait()
        async with asyncio.timeout(1):
            await node.manager.drain(0)
        assert (await node.get(job.id)).state is JobState.PENDING
        let_go.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_drain_does_not_wait_for_the_loop_to_load(store: HeldStore) -> None:
    class Loading(ScriptedLoop):
        def __init__(self) -> None:
            super().__init__()
            self.loading = asyncio.Event()

        async def load(self) -> AgentLoop:
            self.loading.set()
            await asyncio.Event().wait()
            raise AssertionError("never loaded")

    loop = Loading()
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await loop.loading.wait()
        async with asyncio.timeout(0.5):
            await node.manager.drain(0)
        left = await node.get(job.id)
        assert (left.state, left.attempt) == (JobState.PENDING, 0)


async def test_a_drain_during_the_claim_spends_no_attempt(store: HeldStore, loop: HeldLoop) -> None:
    claimed = store.hold_answer("start")
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await claimed.until_arrived()
        draining = asyncio.ensure_future(node.manager.drain(0))
        for _ in range(20):
            await asyncio.sleep(0)
        claimed.open()
        await draining
        handed_back = await node.get(job.id)
        assert (handed_back.state, handed_back.attempt) == (JobState.PENDING, 0)
        assert loop.started == []


async def test_a_drain_does_not_lose_an_answer_that_is_being_written(
    store: HeldStore, loop: HeldLoop
) -> None:
    writing = store.hold("finish")
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await loop.until_started(job.id)
        loop.end(job.id, "just in time")
        await writing.until_arrived()
        draining = asyncio.ensure_future(node.manager.drain(0))
        for _ in range(5):
            await asyncio.sleep(0)
        writing.open()
        await draining
        assert (await node.get(job.id)).output == "just in time"


async def test_a_drain_keeps_the_promise_to_cancel(store: HeldStore, loop: HeldLoop) -> None:
    claimed = store.hold_answer("start")
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await claimed.until_arrived()
        draining = asyncio.ensure_future(node.manager.drain(0))
        await asyncio.sleep(0)
        await node.manager.cancel(job.id, CALLER)
        claimed.open()
        await draining
        assert (await node.get(job.id)).state is JobState.CANCELLED


async def test_who_waits_through_a_drain_learns_how_the_job_ended(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await loop.until_started(job.id)
        before = asyncio.ensure_future(node.manager.wait(job.id, CALLER, 60))
        await asyncio.sleep(0)
        draining = asyncio.ensure_future(node.manager.drain(30))
        await asyncio.sleep(0)
        # Whose stream the drain has ended asks now.
        meanwhile = asyncio.ensure_future(node.manager.wait(job.id, CALLER, 60))
        await asyncio.wait([before, meanwhile], timeout=0.05)
        assert not before.done()
        assert not meanwhile.done()
        loop.end(job.id)
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert (await before).job.state is JobState.COMPLETED
            assert (await meanwhile).job.state is JobState.COMPLETED
            await draining


async def test_who_waits_for_what_a_drain_hands_back_is_told_when_it_is_over(
    store: HeldStore, loop: HeldLoop
) -> None:
    async with running_node(store, loop, slots=1) as node:
        running, pending = await node.spawn(), await node.spawn()
        await loop.until_started(running.id)
        waiters = [asyncio.ensure_future(node.manager.wait(job.id, CALLER, 60)) for job in (running, pending)]
        await asyncio.sleep(0)
        async with asyncio.timeout(DEADLINE_SECONDS):
            await node.manager.drain(0.05)
            assert [(await waiter).job.state for waiter in waiters] == [JobState.PENDING] * 2
            # Nothing comes of waiting any more.
            assert (await node.manager.wait(running.id, CALLER, 60)).job.state is JobState.PENDING


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_a_job_whose_node_died_is_run_again(adapter: str, tmp_path: Path) -> None:
    store = make_store(adapter, tmp_path)
    async with running_node(store, HeldLoop()) as node:
        await node.manager.pause("alpha", BY_ADMIN)
        job = await node.spawn(input="again")
        # Claimed by a worker of a process that then is killed: nobody hands it back.
        await store.start(job.id, node.clock.now_ms())
        store_counts = kept_counts(store)
        assert store_counts["default", "alpha", JobState.RUNNING] == 1
    store = store if adapter == "memory" else make_store(adapter, tmp_path)
    async with running_node(store, ScriptedLoop()) as node:
        assert node.manager.queues()[0].paused
        assert node.recorder.types(job.id) == ["job.interrupted"]
        await node.manager.resume("alpha", BY_ADMIN)
        ended = await node.ended(job.id)
        assert (ended.state, ended.attempt, ended.claim) == (JobState.COMPLETED, 2, 2)


async def test_a_job_that_kills_its_worker_cannot_loop(store: HeldStore) -> None:
    async with running_node(store, HeldLoop()) as node:
        await node.manager.pause("alpha", BY_ADMIN)
        job = await node.spawn()
    for _ in range(3):
        async with running_node(store, HeldLoop()) as node:
            await store.start(job.id, node.clock.now_ms())
    async with running_node(store, loop := ScriptedLoop()) as node:
        await node.manager.resume("alpha", BY_ADMIN)
        ended = await node.ended(job.id)
        assert ended.error is not None
        assert (ended.state, ended.attempt, ended.error.code) == (JobState.FAILED, 3, "worker_lost")
        assert loop.started == []


async def test_a_last_chance_that_breaks_its_worker_lets_the_next_have_its_own(
    store: HeldStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_node(store, HeldLoop()) as node:
        await node.manager.pause("alpha", BY_ADMIN)
        jobs = [await node.spawn(), await node.spawn()]
    for _ in range(2):
        async with running_node(store, HeldLoop()) as node:
            for job in jobs:
                await store.start(job.id, node.clock.now_ms())
    start = store.start

    async def break_the_first(job_id: str, now_ms: int) -> Job | None:
        if job_id == jobs[0].id:
            raise RuntimeError("nobody expected this")
        return await start(job_id, now_ms)

    monkeypatch.setattr(store, "start", break_the_first)
    async with running_node(store, ScriptedLoop()) as node:
        views = [await node.manager.get(job.id, ADMIN) for job in jobs]
        assert [view.queue_position for view in views] == [1, None]
        await node.manager.resume("alpha", BY_ADMIN)
        assert (await node.ended(jobs[1].id)).state is JobState.COMPLETED
        assert node.log.errors == ["worker.broke"]


async def test_jobs_for_later_are_remembered_over_a_restart(store: HeldStore, loop: HeldLoop) -> None:
    clock = FakeClock()
    async with running_node(store, loop, clock=clock) as node:
        job = await node.spawn(run_at_ms=clock.now_ms() + 900)
        past = await node.spawn(run_at_ms=clock.now_ms() + 100)
    clock.advance(0.2)
    async with running_node(store, loop, clock=clock) as node:
        await loop.until_started(past.id)
        await clock.someone_sleeps(0.7)
        clock.advance(0.7)
        await loop.until_started(job.id)


# -- idempotency, wait, retry ----------------------------------------------------------------------------


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_two_hundred_spawns_with_one_key_make_one_job(adapter: str, tmp_path: Path) -> None:
    loop = ScriptedLoop()
    async with running_node(make_store(adapter, tmp_path), loop, capacity=1) as node:
        await node.manager.pause("alpha", BY_ADMIN)
        results = await asyncio.gather(
            *(
                node.manager.spawn(
                    SpawnRequest(agent="alpha", input="x"), CALLER, "req", Idempotency("key", "hash")
                )
                for _ in range(200)
            )
        )
        assert len({result.view.job.id for result in results}) == 1
        assert [result.replayed for result in results].count(False) == 1
        assert node.manager.queue_depth == 1
        await refused(node.spawn(), "queue_full")
        other_body = SpawnRequest(agent="alpha", input="y")
        await refused(
            node.manager.spawn(other_body, CALLER, "req", Idempotency("key", "other hash")),
            "idempotency_mismatch",
        )
        await node.manager.resume("alpha", BY_ADMIN)
        job_id = results[0].view.job.id
        assert (await node.ended(job_id)).state is JobState.COMPLETED
        assert loop.started == [job_id]
        await node.manager.drain(0)
        replay = await node.manager.spawn(
            SpawnRequest(agent="alpha", input="x"), CALLER, "req", Idempotency("key", "hash")
        )
        assert (replay.replayed, replay.view.job.state) == (True, JobState.COMPLETED)


async def test_a_replay_needs_the_agent_no_more(store: HeldStore) -> None:
    async with running_node(store, ScriptedLoop()) as node:
        job = await node.ended((await node.spawn(key="k")).id)
    async with running_node(store, ScriptedLoop(), agents=[new_agent("beta")]) as node:
        assert (await node.spawn(key="k")).id == job.id
        await refused(node.spawn(key="another"), "unknown_agent")


async def test_a_replayed_spawn_in_a_race_is_queued_once(store: HeldStore, loop: HeldLoop) -> None:
    committed = store.hold_answer("spawn")
    async with running_node(store, loop) as node:
        await node.manager.pause("alpha", BY_ADMIN)
        first = asyncio.ensure_future(node.spawn(key="k"))
        await committed.until_arrived()
        first.cancel()
        await asyncio.wait([first])
        second = asyncio.ensure_future(node.spawn(key="k"))
        committed.open()
        await second
        # The first spawn goes on where its caller left: queued behind its commit, once.
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not node.manager.queue_depth:  # noqa: ASYNC110 - the queue has no signal of its own
                await asyncio.sleep(0)
        assert node.manager.queue_depth == 1


async def test_waiting_ends_with_the_job_or_with_the_time(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop) as node:
        job = await node.spawn()
        await loop.until_started(job.id)
        assert (await node.manager.wait(job.id, CALLER, 0.01)).job.state is JobState.RUNNING
        waiters = [asyncio.ensure_future(node.manager.wait(job.id, CALLER, 60)) for _ in range(5)]
        await asyncio.sleep(0)
        loop.end(job.id, "now")
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert {(await waiter).job.output for waiter in waiters} == {"now"}
        assert (await node.manager.wait(job.id, CALLER, 60)).job.output == "now"


async def test_who_waits_for_its_spawn_gets_the_job_as_it_is_kept_without_reading_it(
    store: HeldStore, loop: HeldLoop
) -> None:
    async with running_node(store, loop, slots=1) as node:
        failure = JobFailure("tool_failed", "no")
        for result in ("text", {"turns": (1, 2), "by number": {7: "seven"}}, None, failure, OSError()):
            spawned = await node.manager.spawn(SpawnRequest(agent="alpha", input={"a": [1]}), CALLER, "req-1")
            job_id = spawned.view.job.id
            loop.end(job_id, result)
            reads = store.calls["get"]
            view = await node.manager.wait(job_id, CALLER, DEADLINE_SECONDS, spawned=spawned.view)
            assert store.calls["get"] == reads
            assert view.job == await node.get(job_id)


async def test_who_waits_learns_an_end_behind_which_the_worker_broke(
    store: HeldStore, loop: HeldLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = store.finish

    async def written_but_not_answered(*args: Any) -> None:
        await finish(*args)
        raise OSError("the answer was lost")

    monkeypatch.setattr(store, "finish", written_but_not_answered)
    async with running_node(store, loop) as node:
        job = await node.spawn()
        waiter = asyncio.ensure_future(node.manager.wait(job.id, CALLER, 60))
        await loop.until_started(job.id)
        loop.end(job.id, "now")
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert (await waiter).job.output == "now"


async def test_who_waits_for_its_spawn_learns_a_cancel_and_the_time(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop, slots=1) as node:
        running = await node.spawn()
        await loop.until_started(running.id)
        spawned = (await node.manager.spawn(SpawnRequest(agent="alpha", input=1), CALLER, "req-1")).view
        early = await node.manager.wait(spawned.job.id, CALLER, 0.01, spawned=spawned)
        assert (early.job.state, early.queue_position) == (JobState.PENDING, 1)
        waiter = asyncio.ensure_future(node.manager.wait(spawned.job.id, CALLER, 60, spawned=spawned))
        await asyncio.sleep(0)
        await node.manager.cancel(spawned.job.id, CALLER)
        async with asyncio.timeout(DEADLINE_SECONDS):
            assert (await waiter).job.state is JobState.CANCELLED
        # Gone from here by now: it is read.
        late = await node.manager.wait(spawned.job.id, CALLER, 60, spawned=spawned)
        assert late.job.state is JobState.CANCELLED


async def test_a_retry_is_a_new_job_of_the_same_kind(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop) as node:
        job = await node.spawn(
            input={"q": 1},
            priority=7,
            timeout_seconds=44,
            max_queue_wait_seconds=55,
            metadata={"m": 2},
            run_at_ms=node.clock.now_ms(),
        )
        await refused(node.manager.retry(job.id, CALLER, "req-2"), "not_final")
        await loop.until_started(job.id)
        loop.end(job.id, JobFailure("tool_failed", "no"))
        await node.ended(job.id)
        again = (await node.manager.retry(job.id, CALLER, "req-2")).view.job
        assert again.id != job.id
        assert (again.retry_of, again.state, again.attempt) == (job.id, JobState.PENDING, 0)
        for name in ("agent", "input", "priority", "timeout_seconds", "max_queue_wait_seconds", "metadata"):
            assert getattr(again, name) == getattr(job, name)
        assert (again.correlation_id, again.run_at_ms) == ("req-2", None)
        await loop.until_started(again.id)
        loop.end(again.id, "yes")
        assert (await node.ended(again.id)).state is JobState.COMPLETED


async def test_an_admin_retries_a_job_where_it_belongs(store: HeldStore) -> None:
    async with running_node(store, ScriptedLoop()) as node:
        red = Principal("red user", "red", Role.RUN)
        result = await node.manager.spawn(SpawnRequest(agent="alpha", input="x"), red, "req")
        await node.ended(result.view.job.id)
        again = (await node.manager.retry(result.view.job.id, ADMIN, "req")).view.job
        assert (again.tenant, again.owner) == ("red", "root")


async def test_pausing_is_told_and_kept(store: HeldStore, loop: HeldLoop) -> None:
    async with running_node(store, loop) as node:
        view = await node.manager.pause("alpha", BY_ADMIN)
        assert (view.paused, view.depth) == (True, 0)
        await node.manager.pause("alpha", BY_ADMIN)
        await node.spawn()
        assert (await node.manager.resume("alpha", BY_ADMIN)).paused is False
        await node.manager.resume("alpha", BY_ADMIN)
        await loop.until_running()
        assert [kind for kind in node.recorder.types() if kind.startswith("queue.")] == [
            "queue.paused",
            "queue.resumed",
        ]


# -- failures that are tried again -----------------------------------------------------------------------


def patient_agent() -> AgentSpec:
    return new_agent("alpha", max_attempts=3, retry_on=("provider_unavailable",), retry_delay_seconds=30.0)


@pytest.mark.parametrize("adapter", ADAPTERS)
async def test_a_failure_that_the_agent_names_is_tried_again_later(adapter: str, tmp_path: Path) -> None:
    async def fail_twice(run: Run) -> object:
        if run.job.attempt < 3:
            raise JobFailure("provider_unavailable", "gone")
        return "at last"

    clock = FakeClock()
    store = make_store(adapter, tmp_path)
    async with running_node(store, ScriptedLoop(fail_twice), agents=[patient_agent()], clock=clock) as node:
        job = await node.spawn()
        for times in (1, 2):
            event = await node.recorder.seen("job.retry_scheduled", job.id, times=times)
            assert event.data["attempt"] == times
            waiting = await node.get(job.id)
            assert waiting.state is JobState.PENDING
            await clock.someone_sleeps(1.0)
            clock.advance(30)
        ended = await node.ended(job.id)
        assert (ended.state, ended.output, ended.attempt) == (JobState.COMPLETED, "at last", 3)


async def test_attempts_end_and_other_failures_are_final(store: HeldStore) -> None:
    async def fail(run: Run) -> object:
        code = "provider_unavailable" if run.job.input == "often" else "provider_rejected"
        raise JobFailure(code, "no")

    clock = FakeClock()
    async with running_node(store, ScriptedLoop(fail), agents=[patient_agent()], clock=clock) as node:
        once = await node.ended((await node.spawn(input="once")).id)
        assert (once.state, once.attempt) == (JobState.FAILED, 1)
        job = await node.spawn(input="often")
        for times in (1, 2):
            await node.recorder.seen("job.retry_scheduled", job.id, times=times)
            await clock.someone_sleeps(1.0)
            clock.advance(30)
        often = await node.ended(job.id)
        assert (often.state, often.attempt) == (JobState.FAILED, 3)
        assert often.error is not None
        assert often.error.code == "provider_unavailable"
