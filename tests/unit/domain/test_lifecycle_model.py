"""Any history of calls, in any order, keeps the rules of a job's life, in every store."""

import asyncio
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from tests.support.clock import START_MS
from tests.support.events import EventRecorder
from tests.support.jobs import delta, job_id, new_job
from tests.support.stores import ADAPTERS, kept_counts, make_store, recount

from airboss.domain.errors import JobError
from airboss.domain.event_types import EventType
from airboss.domain.jobs import Job, Outcome
from airboss.domain.states import EDGES, FINAL_STATES, JobState
from airboss.ports.store import Store

TARGET_OF = {edge.event.value: edge.target for edge in EDGES}
SOURCES_OF: defaultdict[str, set[JobState | None]] = defaultdict(set)
for edge in EDGES:
    SOURCES_OF[edge.event.value].add(edge.source)

outcomes = st.sampled_from(
    [
        Outcome(JobState.COMPLETED, output="answer", ran_seconds=0.5),
        Outcome(JobState.FAILED, error=JobError("internal", "broke"), ran_seconds=0.5),
        Outcome(JobState.TIMED_OUT, error=JobError("job_timeout", "late"), ran_seconds=0.5),
        Outcome(JobState.CANCELLED, reason="cancel_requested", ran_seconds=0.5),
    ]
)
unstarted_ends = st.sampled_from(
    [
        Outcome(JobState.FAILED, error=JobError("agent_removed", "gone")),
        Outcome(JobState.TIMED_OUT, error=JobError("queue_timeout", "late")),
    ]
)
claims = st.integers(-1, 1)


class StoreHistory(RuleBasedStateMachine):
    """Calls a store as workers, callers and restarts would, and judges what it tells."""

    adapter: str
    jobs: Bundle[str] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.recorder = EventRecorder()
        self.store: Store = make_store(self.adapter, Path(self.folder.name))
        self.known: dict[str, Job] = {}
        self.number = 0
        self.now_ms = START_MS

    def wait_for(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    @initialize()
    def open(self) -> None:
        self.wait_for(self._open())

    async def _open(self) -> None:
        await self.store.open(self.recorder.publish)

    def teardown(self) -> None:
        self.wait_for(self.store.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.folder.cleanup()

    def claim_of(self, job: str, offset: int) -> int:
        return self.known[job].claim + offset

    @rule(target=jobs, max_attempts=st.integers(1, 3), tenant=st.sampled_from("ab"))
    def spawn(self, max_attempts: int, tenant: str) -> str:
        self.number += 1
        job = new_job(self.number, max_attempts=max_attempts, tenant=tenant)
        self.wait_for(self.store.spawn(job, None))
        return job.id

    @rule(job=jobs)
    def start(self, job: str) -> None:
        before = self.known[job]
        started = self.wait_for(self.store.start(job, self.now_ms))
        assert (started is not None) == (before.state is JobState.PENDING)
        if started is not None:
            assert started.claim == before.claim + 1

    @rule(job=jobs, offset=claims, outcome=outcomes)
    def finish(self, job: str, offset: int, outcome: Outcome) -> None:
        before = self.known[job]
        claim = self.claim_of(job, offset)
        ended = self.wait_for(self.store.finish(job, claim, outcome, self.now_ms))
        assert (ended is not None) == (before.state is JobState.RUNNING and offset == 0)
        if ended is not None and before.cancel_requested_at_ms is not None:
            assert ended.state is JobState.CANCELLED

    @rule(job=jobs, offset=claims)
    def interrupt(self, job: str, offset: int) -> None:
        claim = self.claim_of(job, offset)
        self.wait_for(self.store.interrupt(job, claim, "draining", 0.5, self.now_ms))

    @rule(job=jobs, outcome=unstarted_ends)
    def end_pending(self, job: str, outcome: Outcome) -> None:
        before = self.known[job]
        ended = self.wait_for(self.store.end_pending(job, outcome, self.now_ms))
        assert (ended is not None) == (before.state is JobState.PENDING)

    @rule(job=jobs)
    def cancel(self, job: str) -> None:
        assert self.wait_for(self.store.request_cancel(job, None, "someone", self.now_ms)) is not None

    @rule(job=jobs, offset=claims)
    def append(self, job: str, offset: int) -> None:
        before = self.known[job]

        async def append() -> bool:
            claim = self.claim_of(job, offset)
            return await self.store.append([delta(before)], job_id=job, claim=claim)

        assert self.wait_for(append()) == (before.state is JobState.RUNNING and offset == 0)

    @rule()
    def recover(self) -> None:
        recovered = self.wait_for(self.store.recover(self.now_ms, {}))
        assert {job.id for job in recovered.pending} == {
            job.id for job in self.read_jobs() if job.state is JobState.PENDING
        }

    def read_jobs(self) -> list[Job]:
        async def read() -> list[Job]:
            found = [await self.store.get(job_id(number), None) for number in range(1, self.number + 1)]
            return [job for job in found if job is not None]

        jobs: list[Job] = self.wait_for(read())
        return jobs

    @invariant()
    def every_job_kept_the_rules(self) -> None:
        jobs = self.read_jobs()
        assert len(jobs) == self.number
        for job in jobs:
            before = self.known.get(job.id)
            assert 0 <= job.attempt <= job.max_attempts
            assert job.attempt <= job.claim
            assert (job.finished_at_ms is not None) == job.state.is_final
            if before is not None:
                assert job.claim >= before.claim
                assert job.spent_seconds >= before.spent_seconds
                if before.state.is_final:
                    assert job == before
            self.known[job.id] = job

    @invariant()
    def the_events_tell_the_states_by_legal_edges(self) -> None:
        told: dict[str, JobState | None] = defaultdict(lambda: None)
        last_id = 0
        for event in self.recorder.events:
            assert event.id > last_id
            last_id = event.id
            assert event.job_id is not None
            if event.type in TARGET_OF:
                assert told[event.job_id] in SOURCES_OF[event.type]
                told[event.job_id] = TARGET_OF[event.type]
            else:
                assert told[event.job_id] not in FINAL_STATES
                assert event.type in (EventType.JOB_CANCEL_REQUESTED, EventType.OUTPUT_DELTA)
        assert told == {job.id: job.state for job in self.known.values()}

    @invariant()
    def the_kept_counts_equal_a_recount(self) -> None:
        assert kept_counts(self.store) == self.wait_for(recount(self.store))


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_any_history_keeps_the_rules(adapter: str) -> None:
    class History(StoreHistory):
        pass

    History.adapter = adapter
    examples, steps = (60, 40) if adapter == "memory" else (12, 30)
    run_state_machine_as_test(
        History,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
