"""The stores under one contract, and one that can be held up."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.clock import DEADLINE_SECONDS
from tests.support.events import EventRecorder

from airboss.domain.audit import Caller
from airboss.domain.errors import StorageUnavailableError
from airboss.domain.jobs import Job, Outcome
from airboss.domain.states import JobState
from airboss.ports.store import CancelResult, Idempotency, JobQuery, Spawned, Store
from airboss.storage.memory import MemoryStore
from airboss.storage.sqlite.store import SqliteStore

MAX_EVENT_BYTES = 16384
ADAPTERS = ("memory", "sqlite")


def make_store(adapter: str, folder: Path, max_event_bytes: int = MAX_EVENT_BYTES) -> Store:
    if adapter == "memory":
        return MemoryStore(node_id="n1", max_event_bytes=max_event_bytes)
    return SqliteStore(folder / "airboss.db", new_node_id="n1", max_event_bytes=max_event_bytes)


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[EventRecorder]:
    recorder = EventRecorder()
    await store.open(recorder.publish)
    try:
        yield recorder
    finally:
        await store.close()


async def recount(store: Store) -> Counter[tuple[str, str, JobState]]:
    """Count the jobs one by one, which no store does itself."""
    found: Counter[tuple[str, str, JobState]] = Counter()
    for job in await all_jobs(store, JobQuery(tenant=None, limit=50)):
        found[job.tenant, job.agent, job.state] += 1
    return found


def kept_counts(store: Store) -> Counter[tuple[str, str, JobState]]:
    return Counter({(group.tenant, group.agent, group.state): group.jobs for group in store.counts()})


async def all_jobs(store: Store, query: JobQuery) -> list[Job]:
    """Follow the pages to their end and read each job."""
    jobs: list[Job] = []
    before_id = query.before_id
    while True:
        page = await store.list_jobs(
            JobQuery(
                query.tenant,
                query.states,
                query.agent,
                query.created_after_ms,
                query.created_before_ms,
                before_id,
                query.limit,
            )
        )
        for summary in page:
            job = await store.get(summary.id, None)
            assert job is not None
            jobs.append(job)
        if len(page) < query.limit:
            return jobs
        before_id = page[-1].id


@dataclass
class Gate:
    """Holds callers until it is opened, and lets a test wait for them to arrive."""

    arrived: int = 0
    _opened: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def open(self) -> None:
        self._opened.set()

    async def go_through(self) -> None:
        self.arrived += 1
        self._changed.set()
        await self._opened.wait()

    async def until_arrived(self, callers: int = 1) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while self.arrived < callers:
                self._changed.clear()
                await self._changed.wait()


class HeldStore(MemoryStore):
    """A slow or failing medium: a method can be held up before and after its work, or fail."""

    def __init__(self) -> None:
        super().__init__(node_id="n1", max_event_bytes=MAX_EVENT_BYTES)
        self._before: dict[str, Gate] = {}
        self._after: dict[str, Gate] = {}
        self._failures: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()

    def hold(self, method: str) -> Gate:
        gate = self._before[method] = Gate()
        return gate

    def hold_answer(self, method: str) -> Gate:
        """Let the work be done but its answer wait, as when a commit is slow to come back."""
        gate = self._after[method] = Gate()
        return gate

    def fail(self, method: str, times: int = 1) -> None:
        self._failures[method] += times

    async def _enter(self, method: str) -> None:
        self.calls[method] += 1
        if (gate := self._before.get(method)) is not None:
            await gate.go_through()
        if self._failures[method]:
            self._failures[method] -= 1
            raise StorageUnavailableError("disk I/O error")

    async def _leave(self, method: str) -> None:
        if (gate := self._after.get(method)) is not None:
            await gate.go_through()

    async def spawn(self, job: Job, idempotency: Idempotency | None, caller: Caller | None = None) -> Spawned:
        await self._enter("spawn")
        spawned = await super().spawn(job, idempotency, caller)
        await self._leave("spawn")
        return spawned

    async def get(self, job_id: str, tenant: str | None) -> Job | None:
        await self._enter("get")
        return await super().get(job_id, tenant)

    async def start(self, job_id: str, now_ms: int) -> Job | None:
        await self._enter("start")
        job = await super().start(job_id, now_ms)
        await self._leave("start")
        return job

    async def finish(self, job_id: str, claim: int, outcome: Outcome, now_ms: int) -> Job | None:
        await self._enter("finish")
        job = await super().finish(job_id, claim, outcome, now_ms)
        await self._leave("finish")
        return job

    async def end_pending(self, job_id: str, outcome: Outcome, now_ms: int) -> Job | None:
        await self._enter("end_pending")
        return await super().end_pending(job_id, outcome, now_ms)

    async def request_cancel(
        self, job_id: str, tenant: str | None, by: str, now_ms: int, caller: Caller | None = None
    ) -> CancelResult | None:
        await self._enter("request_cancel")
        result = await super().request_cancel(job_id, tenant, by, now_ms, caller)
        await self._leave("request_cancel")
        return result


def ids(jobs: Sequence[Job]) -> list[str]:
    return [job.id for job in jobs]
