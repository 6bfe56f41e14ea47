"""A store in memory: for tests of one's own agents, and for jobs that need not outlive the process."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from airboss.domain import audit as audit_words
from airboss.domain import lifecycle
from airboss.domain.agents import OnInterrupt
from airboss.domain.audit import AuditDraft, AuditEntry, Caller
from airboss.domain.errors import StorageUnavailableError
from airboss.domain.events import Event, EventDraft, encode_data
from airboss.domain.jobs import Job, JobSummary, Outcome, Usage
from airboss.domain.journal import EntryKind, JournalEntry, JournalKey
from airboss.domain.states import JobState
from airboss.ports.audit import AuditQuery
from airboss.ports.mcp_store import KeptServer, ServerChange
from airboss.ports.store import (
    CancelResult,
    CancelVerdict,
    Cutoffs,
    EventBounds,
    EventFilter,
    EventPage,
    GroupCount,
    Idempotency,
    IdempotencyMismatchError,
    JobQuery,
    OnCommit,
    PruneReport,
    Recovered,
    Spawned,
    lost_worker,
)
from airboss.storage.counts import KeptCounts
from airboss.storage.json_text import kept_copy
from airboss.storage.memory_audit import MemoryAudit


class MemoryStore:
    """Every method runs to its end without awaiting, so that each is a transaction."""

    def __init__(self, *, node_id: str, max_event_bytes: int) -> None:
        self._node = node_id
        self._max_event_bytes = max_event_bytes
        self._jobs: dict[str, Job] = {}
        self._keys: dict[tuple[str, str], tuple[str, str, int]] = {}
        self._events: list[Event] = []
        self._last_event_id = 0
        self._pruned_through = 0
        self._journals: dict[str, dict[JournalKey, JournalEntry]] = {}
        self._claim_seconds: dict[str, float] = {}
        self._paused: set[str] = set()
        self._mcp_servers: dict[str, KeptServer] = {}
        self._counts = KeptCounts()
        self._audit = MemoryAudit()
        self._on_commit: OnCommit | None = None

    async def open(self, on_commit: OnCommit) -> None:
        self._on_commit = on_commit

    async def close(self) -> None:
        self._on_commit = None

    async def probe(self) -> None:
        self._require_open()

    async def node_id(self) -> str:
        return self._node

    async def spawn(self, job: Job, idempotency: Idempotency | None, caller: Caller | None = None) -> Spawned:
        if idempotency is not None:
            first = await self.replay(job.tenant, idempotency)
            if first is not None:
                return Spawned(first, replayed=True)
        kept = replace(job, input=kept_copy(job.input), metadata=kept_copy(job.metadata))
        events = self._encode([lifecycle.spawned(kept)])
        if idempotency is not None:
            self._keys[job.tenant, idempotency.key] = (idempotency.body_hash, job.id, job.created_at_ms)
        self._jobs[job.id] = kept
        self._counts.apply(Counter({(job.tenant, job.agent, job.state): 1}))
        if caller is not None:
            for entry in audit_words.of_spawn(kept, caller):
                self._audit.add(entry)
        self._publish(events)
        return Spawned(kept, replayed=False)

    async def replay(self, tenant: str, idempotency: Idempotency) -> Job | None:
        kept = self._keys.get((tenant, idempotency.key))
        if kept is None:
            return None
        body_hash, job_id, _ = kept
        if body_hash != idempotency.body_hash:
            raise IdempotencyMismatchError
        return self._jobs.get(job_id)

    async def start(self, job_id: str, now_ms: int) -> Job | None:
        job = self._jobs.get(job_id)
        if job is None or job.state is not JobState.PENDING or job.cancel_requested_at_ms is not None:
            return None
        started = replace(
            job,
            state=JobState.RUNNING,
            claim=job.claim + 1,
            attempt=job.attempt + 1,
            started_at_ms=now_ms if job.started_at_ms is None else job.started_at_ms,
        )
        self._claim_seconds.pop(job_id, None)
        self._move(job, started, lifecycle.started(started, now_ms, self._answered_steps(job_id)))
        return started

    async def finish(self, job_id: str, claim: int, outcome: Outcome, now_ms: int) -> Job | None:
        job = self._held(job_id, claim)
        return None if job is None else self._end(job, outcome, now_ms)

    async def interrupt(
        self, job_id: str, claim: int, reason: str, ran_seconds: float, now_ms: int
    ) -> Job | None:
        return self._interrupt(job_id, claim, reason, ran_seconds, now_ms, attempt_spent=False)

    def _interrupt(
        self, job_id: str, claim: int, reason: str, ran_seconds: float, now_ms: int, *, attempt_spent: bool
    ) -> Job | None:
        job = self._held(job_id, claim)
        if job is None:
            return None
        if job.cancel_requested_at_ms is not None:
            outcome = Outcome(JobState.CANCELLED, reason="cancel_requested", ran_seconds=ran_seconds)
            return self._end(job, outcome, now_ms)
        handed_back = replace(
            job,
            state=JobState.PENDING,
            attempt=job.attempt if attempt_spent else job.attempt - 1,
            spent_seconds=job.spent_seconds + ran_seconds,
        )
        self._move(job, handed_back, lifecycle.interrupted(handed_back, now_ms, reason))
        return handed_back

    async def reschedule(
        self, job_id: str, claim: int, outcome: Outcome, run_at_ms: int, now_ms: int
    ) -> Job | None:
        job = self._held(job_id, claim)
        if job is None:
            return None
        if job.cancel_requested_at_ms is not None or outcome.error is None:
            return self._end(job, outcome, now_ms)
        rescheduled = replace(
            job,
            state=JobState.PENDING,
            run_at_ms=run_at_ms,
            spent_seconds=job.spent_seconds + outcome.ran_seconds,
            usage=job.usage.plus(outcome.usage),
        )
        draft = lifecycle.retry_scheduled(rescheduled, now_ms, outcome.error.code)
        self._move(job, rescheduled, draft)
        return rescheduled

    async def end_pending(self, job_id: str, outcome: Outcome, now_ms: int) -> Job | None:
        job = self._jobs.get(job_id)
        if job is None or job.state is not JobState.PENDING:
            return None
        return self._end(job, outcome, now_ms)

    async def request_cancel(
        self, job_id: str, tenant: str | None, by: str, now_ms: int, caller: Caller | None = None
    ) -> CancelResult | None:
        job = await self.get(job_id, tenant)
        if job is None:
            return None
        if job.state.is_final:
            return CancelResult(CancelVerdict.ALREADY_FINAL, job)
        if job.cancel_requested_at_ms is None:
            entry = None if caller is None else audit_words.job_cancelled(job, caller, now_ms)
            job = replace(job, cancel_requested_at_ms=now_ms)
            events = self._encode([lifecycle.cancel_requested(job, now_ms, by)])
            self._jobs[job.id] = job
            if entry is not None:
                self._audit.add(entry)
            self._publish(events)
        if job.state is JobState.RUNNING:
            return CancelResult(CancelVerdict.STOPPING, job)
        outcome = Outcome(JobState.CANCELLED, reason="cancel_requested")
        return CancelResult(CancelVerdict.CANCELLED, self._end(job, outcome, now_ms))

    async def recover(self, now_ms: int, policy: Mapping[str, OnInterrupt]) -> Recovered:
        running = [job for job in self._jobs.values() if job.state is JobState.RUNNING]
        ended = 0
        for job in running:
            ran_seconds = self._claim_seconds.pop(job.id, 0.0)
            on_interrupt = policy.get(job.agent, OnInterrupt.RESUME)
            may_go_on = job.attempt < job.max_attempts and on_interrupt is not OnInterrupt.FAIL
            if not may_go_on and job.cancel_requested_at_ms is None:
                outcome = Outcome(JobState.FAILED, error=lost_worker(job), ran_seconds=ran_seconds)
                self._end(job, outcome, now_ms)
                ended += 1
            else:
                if on_interrupt is OnInterrupt.RESTART:
                    self._journals.pop(job.id, None)
                self._interrupt(job.id, job.claim, "worker_lost", ran_seconds, now_ms, attempt_spent=True)
        pending = sorted(
            (job for job in self._jobs.values() if job.state is JobState.PENDING), key=lambda job: job.id
        )
        return Recovered(pending, interrupted=len(running) - ended, ended=ended)

    async def get(self, job_id: str, tenant: str | None) -> Job | None:
        job = self._jobs.get(job_id)
        return None if job is None or (tenant is not None and job.tenant != tenant) else job

    async def list_jobs(self, query: JobQuery) -> Sequence[JobSummary]:
        matching = (
            job
            for job in sorted(self._jobs.values(), key=lambda job: job.id, reverse=True)
            if (query.tenant is None or job.tenant == query.tenant)
            and (not query.states or job.state in query.states)
            and (query.agent is None or job.agent == query.agent)
            and (query.created_after_ms is None or job.created_at_ms > query.created_after_ms)
            and (query.created_before_ms is None or job.created_at_ms < query.created_before_ms)
            and (query.before_id is None or job.id < query.before_id)
        )
        return [job for job, _ in zip(matching, range(query.limit), strict=False)]

    def counts(self) -> Sequence[GroupCount]:
        return self._counts.groups()

    def append(self, drafts: Sequence[EventDraft], *, job_id: str, claim: int) -> asyncio.Future[bool]:
        future = asyncio.get_running_loop().create_future()
        held = self._held(job_id, claim) is not None
        if held:
            self._publish(self._encode(drafts))
        future.set_result(held)
        return future

    async def record(
        self,
        entry: JournalEntry,
        drafts: Sequence[EventDraft],
        usage: Usage,
        ran_seconds: float,
        *,
        job_id: str,
        claim: int,
    ) -> bool:
        job = self._held(job_id, claim)
        if job is None:
            return False
        events = self._encode(drafts)
        self._jobs[job_id] = replace(job, usage=job.usage.plus(usage))
        self._journals.setdefault(job_id, {})[entry.key] = entry
        self._claim_seconds[job_id] = ran_seconds
        self._publish(events)
        return True

    async def journal(self, job_id: str) -> Sequence[JournalEntry]:
        return list(self._journals.get(job_id, {}).values())

    async def forget(self, job_id: str, from_turn: int, *, claim: int) -> None:
        if self._held(job_id, claim) is not None:
            kept = self._journals.get(job_id, {})
            self._journals[job_id] = {key: entry for key, entry in kept.items() if key.turn < from_turn}

    async def announce(self, drafts: Sequence[EventDraft], audit: Sequence[AuditDraft] = ()) -> None:
        events = self._encode(drafts)
        for entry in audit:
            self._audit.add(entry)
        self._publish(events)

    async def audit_entries(self, query: AuditQuery) -> Sequence[AuditEntry]:
        return self._audit.read(query)

    async def events(self, after: int, through: int | None, limit: int, only: EventFilter) -> EventPage:
        last = self._last_event_id if through is None else through
        matching = [event for event in self._events if after < event.id <= last and only.admits(event)]
        if len(matching) > limit:
            return EventPage(matching[:limit], matching[limit - 1].id, has_more=True)
        return EventPage(matching, max(after, last), has_more=False)

    async def event_bounds(self) -> EventBounds:
        return EventBounds(self._pruned_through, self._last_event_id)

    async def pause_agent(
        self, agent: str, *, paused: bool, event: EventDraft, audit: AuditDraft | None = None
    ) -> bool:
        if (agent in self._paused) is paused:
            return False
        events = self._encode([event])
        self._paused.symmetric_difference_update({agent})
        if audit is not None:
            self._audit.add(audit)
        self._publish(events)
        return True

    async def paused_agents(self) -> frozenset[str]:
        return frozenset(self._paused)

    async def mcp_servers(self) -> Sequence[KeptServer]:
        return [self._mcp_servers[name] for name in sorted(self._mcp_servers)]

    async def create_mcp_server(
        self, name: str, json_spec: Mapping[str, Any], change: ServerChange
    ) -> KeptServer | None:
        if name in self._mcp_servers:
            return None
        return self._keep_server(
            KeptServer(name, kept_copy(json_spec), change.time_ms, change.time_ms), change
        )

    async def update_mcp_server(
        self, name: str, json_spec: Mapping[str, Any], change: ServerChange
    ) -> KeptServer | None:
        server = self._mcp_servers.get(name)
        if server is None:
            return None
        return self._keep_server(
            replace(server, json_spec=kept_copy(json_spec), updated_at_ms=change.time_ms), change
        )

    async def delete_mcp_server(self, name: str, change: ServerChange) -> bool:
        if name not in self._mcp_servers:
            return False
        events = self._encode([change.event])
        del self._mcp_servers[name]
        self._tell_change(change, events)
        return True

    def _keep_server(self, server: KeptServer, change: ServerChange) -> KeptServer:
        events = self._encode([change.event])
        self._mcp_servers[server.name] = server
        self._tell_change(change, events)
        return server

    def _tell_change(self, change: ServerChange, events: Sequence[Event]) -> None:
        if change.audit is not None:
            self._audit.add(change.audit)
        self._publish(events)

    async def prune(self, cutoffs: Cutoffs, now_ms: int, limit: int) -> PruneReport:
        old = [
            job
            for job in self._jobs.values()
            if job.finished_at_ms is not None and job.finished_at_ms < cutoffs.jobs_before_ms
        ][:limit]
        for job in old:
            draft = lifecycle.pruned(job.id, job.agent, job.tenant, job.attempt, job.correlation_id, now_ms)
            gone = self._encode([draft])
            del self._jobs[job.id]
            self._counts.apply(Counter({(job.tenant, job.agent, job.state): -1}))
            self._publish(gone)
        events = self._prune_events(cutoffs.events_before_ms, limit)
        keys = [key for key, kept in self._keys.items() if kept[2] < cutoffs.keys_before_ms][:limit]
        for key in keys:
            del self._keys[key]
        entries = self._audit.prune(cutoffs.audit_before_ms, limit)
        counts = (len(old), events, len(keys), entries)
        return PruneReport(*counts, more=limit in counts)

    def _prune_events(self, before_ms: int, limit: int) -> int:
        count = 0
        while count < min(limit, len(self._events)) and self._events[count].time_ms < before_ms:
            count += 1
        if count:
            self._pruned_through = self._events[count - 1].id
            del self._events[:count]
        return count

    def _held(self, job_id: str, claim: int) -> Job | None:
        job = self._jobs.get(job_id)
        if job is None or job.state is not JobState.RUNNING or job.claim != claim:
            return None
        return job

    def _end(self, before: Job, outcome: Outcome, now_ms: int) -> Job:
        outcome = outcome.settled(cancel_requested=before.cancel_requested_at_ms is not None)
        job = replace(
            before,
            state=outcome.state,
            output=kept_copy(outcome.output),
            error=outcome.error,
            finished_at_ms=now_ms,
            spent_seconds=before.spent_seconds + outcome.ran_seconds,
            usage=before.usage.plus(outcome.usage),
            answered_by=outcome.answered_by or before.answered_by,
        )
        self._move(before, job, lifecycle.ended(job, now_ms, outcome))
        self._journals.pop(job.id, None)
        self._claim_seconds.pop(job.id, None)
        return job

    def _answered_steps(self, job_id: str) -> int:
        entries = self._journals.get(job_id, {}).values()
        return sum(entry.key.kind is EntryKind.MODEL and entry.answer is not None for entry in entries)

    def _move(self, before: Job, after: Job, draft: EventDraft) -> None:
        events = self._encode([draft])
        self._jobs[after.id] = after
        self._counts.apply(
            Counter(
                {(after.tenant, after.agent, before.state): -1, (after.tenant, after.agent, after.state): 1}
            )
        )
        self._publish(events)

    def _encode(self, drafts: Sequence[EventDraft]) -> list[Event]:
        """Make the events of a change before it is made: what cannot be told must not happen."""
        self._require_open()
        return [
            Event(
                self._last_event_id + number,
                draft.type.value,
                draft.time_ms,
                self._node,
                draft.tenant,
                draft.job_id,
                draft.agent,
                encode_data(draft.data, self._max_event_bytes),
            )
            for number, draft in enumerate(drafts, start=1)
        ]

    def _publish(self, events: Sequence[Event]) -> None:
        if events:
            self._events += events
            self._last_event_id = events[-1].id
            self._require_open()(events)

    def _require_open(self) -> OnCommit:
        if self._on_commit is None:
            raise StorageUnavailableError("the store is closed")
        return self._on_commit
