"""The store: the truth about jobs and events. Every change and its event are one transaction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from airboss.domain.agents import OnInterrupt
from airboss.domain.audit import AuditDraft, Caller
from airboss.domain.errors import JobError
from airboss.domain.events import Event, EventDraft
from airboss.domain.jobs import Job, JobSummary, Outcome, Usage
from airboss.domain.journal import JournalEntry
from airboss.domain.states import JobState
from airboss.ports.audit import AuditTrail
from airboss.ports.mcp_store import McpServerStore

#: Called with committed events, in the order of their ids, before the change itself is answered.
OnCommit = Callable[[Sequence[Event]], None]


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's key for one spawn and the hash of its body."""

    key: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class Spawned:
    """The job that stands under a spawn; `replayed` where the key had made it before."""

    job: Job
    replayed: bool


class StoreOpenError(Exception):
    """The store cannot be opened; the text says why and what to do."""


class IdempotencyMismatchError(Exception):
    """The key was used before, with another body."""


class CancelVerdict(StrEnum):
    CANCELLED = "cancelled"
    STOPPING = "stopping"
    ALREADY_FINAL = "already_final"


@dataclass(frozen=True, slots=True)
class CancelResult:
    verdict: CancelVerdict
    job: Job


@dataclass(frozen=True, slots=True)
class Recovered:
    """What recovery found: jobs to queue again, and how many had lost their worker."""

    pending: Sequence[JobSummary]
    interrupted: int
    ended: int


@dataclass(frozen=True, slots=True)
class JobQuery:
    """A page of jobs, newest first; `before_id` is where the page before it ended."""

    tenant: str | None
    states: frozenset[JobState] = frozenset()
    agent: str | None = None
    created_after_ms: int | None = None
    created_before_ms: int | None = None
    before_id: str | None = None
    limit: int = 50


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What a reader may and wants to see; `tenant` None sees all, empty `types` means every type."""

    tenant: str | None = None
    types: frozenset[str] = frozenset()
    agent: str | None = None
    job_id: str | None = None

    def admits(self, event: Event) -> bool:
        return (
            (self.tenant is None or event.tenant is None or event.tenant == self.tenant)
            and (not self.types or event.type in self.types)
            and (self.agent is None or event.agent == self.agent)
            and (self.job_id is None or event.job_id == self.job_id)
        )


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events oldest first. `read_through` is the last id that was looked at, matching or not."""

    events: Sequence[Event]
    read_through: int
    has_more: bool


@dataclass(frozen=True, slots=True)
class EventBounds:
    """`pruned_through` is the greatest id that retention removed, `last` the greatest ever given."""

    pruned_through: int
    last: int


@dataclass(frozen=True, slots=True)
class GroupCount:
    """How many jobs of a tenant and an agent are in a state: kept, never counted."""

    tenant: str
    agent: str
    state: JobState
    jobs: int


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """What retention removes: everything older than these moments, in milliseconds."""

    jobs_before_ms: int
    events_before_ms: int
    keys_before_ms: int

    @property
    def audit_before_ms(self) -> int:
        """The earlier of both: who made a job can be told as long as the job, or its events, are kept."""
        return min(self.jobs_before_ms, self.events_before_ms)


@dataclass(frozen=True, slots=True)
class PruneReport:
    jobs: int = 0
    events: int = 0
    keys: int = 0
    audit: int = 0
    more: bool = field(default=False)


class Store(AuditTrail, McpServerStore, Protocol):
    """Methods raise `StorageUnavailableError` where the medium fails; then nothing was kept.

    A change that a `caller` asked for is written with its entry in the audit; without one, this server made it
    of its own accord, and the events tell of it.
    """

    async def open(self, on_commit: OnCommit) -> None: ...
    async def close(self) -> None: ...
    async def probe(self) -> None:
        """Make a real write."""
        ...

    async def node_id(self) -> str: ...

    def spawn(
        self, job: Job, idempotency: Idempotency | None, caller: Caller | None = None
    ) -> Awaitable[Spawned]: ...
    async def replay(self, tenant: str, idempotency: Idempotency) -> Job | None:
        """Return the job that a key made before; None where it is new."""
        ...

    async def start(self, job_id: str, now_ms: int) -> Job | None:
        """Move a pending job to running under a new claim; None where it is not pending any more."""
        ...

    async def finish(self, job_id: str, claim: int, outcome: Outcome, now_ms: int) -> JobSummary | None:
        """End a running job; None where the claim is not the newest one."""
        ...

    async def interrupt(
        self, job_id: str, claim: int, reason: str, ran_seconds: float, now_ms: int
    ) -> JobSummary | None:
        """Hand a running job back without spending its attempt; one promised a cancel ends cancelled.

        Its journal is kept: who wants it forgotten calls `forget` first.
        """
        ...

    async def reschedule(
        self, job_id: str, claim: int, outcome: Outcome, run_at_ms: int, now_ms: int
    ) -> JobSummary | None:
        """Put a failed attempt's job back for a later start; one promised a cancel ends cancelled."""
        ...

    async def end_pending(self, job_id: str, outcome: Outcome, now_ms: int) -> JobSummary | None:
        """End a job that never got its turn; None where it is not pending any more."""
        ...

    async def request_cancel(
        self, job_id: str, tenant: str | None, by: str, now_ms: int, caller: Caller | None = None
    ) -> CancelResult | None:
        """Cancel a job that holds no worker, or promise it to one that does; None where there is no such job."""
        ...

    async def recover(self, now_ms: int, policy: Mapping[str, OnInterrupt]) -> Recovered:
        """Take back the jobs whose worker is gone and return all pending ones, in queue order.

        `policy` says by agent what becomes of them: resumed where it is silent.
        """
        ...

    async def get(self, job_id: str, tenant: str | None) -> Job | None: ...
    async def list_jobs(self, query: JobQuery) -> Sequence[JobSummary]: ...
    def counts(self) -> Sequence[GroupCount]: ...

    def append(self, drafts: Sequence[EventDraft], *, job_id: str, claim: int) -> Awaitable[bool]:
        """Queue a worker's events behind what was queued before; False where the claim had been lost."""
        ...

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
        """Keep an entry of a run's journal with its events and what it cost; False where the claim was lost.

        `ran_seconds` is how long the claim has run: what is known of it if its worker is lost.
        """
        ...

    async def journal(self, job_id: str) -> Sequence[JournalEntry]: ...
    async def forget(self, job_id: str, from_turn: int, *, claim: int) -> None:
        """Drop the entries of a turn and all behind it: the run went another way."""
        ...

    async def announce(self, drafts: Sequence[EventDraft], audit: Sequence[AuditDraft] = ()) -> None:
        """Write events that belong to no job, and entries of the audit, in one transaction."""
        ...

    async def events(self, after: int, through: int | None, limit: int, only: EventFilter) -> EventPage: ...
    async def event_bounds(self) -> EventBounds: ...

    async def pause_agent(
        self, agent: str, *, paused: bool, event: EventDraft, audit: AuditDraft | None = None
    ) -> bool:
        """Keep an agent out of service, or put it back; False, and nothing written, where it was so already."""
        ...

    async def paused_agents(self) -> frozenset[str]: ...
    async def prune(self, cutoffs: Cutoffs, now_ms: int, limit: int) -> PruneReport: ...


def lost_worker(job: JobSummary) -> JobError:
    """Say that a job lost its worker and may not start again."""
    return JobError(
        "worker_lost",
        f"the worker was lost in attempt {job.attempt} of {job.max_attempts}, and the job may not start again",
        {"attempts": job.attempt, "max_attempts": job.max_attempts},
    )
