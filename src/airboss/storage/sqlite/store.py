"""The store on one SQLite file."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from airboss.domain.agents import OnInterrupt
from airboss.domain.audit import AuditDraft, AuditEntry, Caller
from airboss.domain.errors import StorageUnavailableError
from airboss.domain.events import EventDraft
from airboss.domain.jobs import Job, JobSummary, Outcome, Usage
from airboss.domain.journal import JournalEntry
from airboss.ports.audit import AuditQuery
from airboss.ports.mcp_store import KeptServer, ServerChange
from airboss.ports.store import (
    CancelResult,
    Cutoffs,
    EventBounds,
    EventFilter,
    EventPage,
    GroupCount,
    Idempotency,
    JobQuery,
    OnCommit,
    PruneReport,
    Recovered,
    Spawned,
    StoreOpenError,
)
from airboss.storage.counts import KeptCounts
from airboss.storage.sqlite import audit as audit_rows
from airboss.storage.sqlite import job_writes, journal, mcp_servers, reads, retention
from airboss.storage.sqlite.connections import check_structure, open_reader, open_writer
from airboss.storage.sqlite.lock import DatabaseLock
from airboss.storage.sqlite.schema import migrate
from airboss.storage.sqlite.writer import Operation, Transaction, Writer

T = TypeVar("T")
_READER_THREADS = 4


class SqliteStore:
    """One writer thread with group commit; readers on connections of their own, off the event loop."""

    def __init__(self, path: Path, *, new_node_id: str, max_event_bytes: int) -> None:
        self._path = path
        self._new_node_id = new_node_id
        self._node = new_node_id
        self._max_event_bytes = max_event_bytes
        self._lock = DatabaseLock(path)
        self._counts = KeptCounts()
        self._readers = ThreadPoolExecutor(_READER_THREADS, thread_name_prefix="airboss-reader")
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._writer: Writer | None = None

    async def open(self, on_commit: OnCommit) -> None:
        """Lock, migrate and open; raises `StoreOpenError`."""
        try:
            connection = await asyncio.get_running_loop().run_in_executor(self._readers, self._prepare)
        except (sqlite3.Error, OSError) as error:
            raise StoreOpenError(
                f"cannot open the database {self._path}: {error}; check the folder's rights and the disk,"
                " or restore the file from a backup where it is corrupt"
            ) from error
        self._writer = Writer(
            connection,
            node=self._node,
            max_event_bytes=self._max_event_bytes,
            last_event_id=_event_bounds(connection).last,
            on_commit=on_commit,
            on_counts=self._counts.apply,
        )

    def _prepare(self) -> sqlite3.Connection:
        self._lock.acquire()
        try:
            connection = open_writer(self._path)
            self._connections.append(connection)
            check_structure(connection, self._path)
            migrate(connection)
            self._node = _keep_node_id(connection, self._new_node_id)
            self._counts.load(reads.read_counts(connection))
        except BaseException:
            self._close_connections()
            self._lock.release()
            raise
        return connection

    async def close(self) -> None:
        if self._writer is not None:
            await self._writer.close()
            self._writer = None
        self._readers.shutdown(wait=True)
        self._close_connections()
        self._lock.release()

    def _close_connections(self) -> None:
        while self._connections:
            self._connections.pop().close()

    async def probe(self) -> None:
        await self._write(_touch)

    async def node_id(self) -> str:
        return self._node

    def spawn(
        self, job: Job, idempotency: Idempotency | None, caller: Caller | None = None
    ) -> asyncio.Future[Spawned]:
        return self._write(lambda transaction: job_writes.spawn(transaction, job, idempotency, caller))

    async def replay(self, tenant: str, idempotency: Idempotency) -> Job | None:
        return await self._read(lambda connection: job_writes.find_by_key(connection, tenant, idempotency))

    async def start(self, job_id: str, now_ms: int) -> Job | None:
        return await self._write(lambda transaction: job_writes.start(transaction, job_id, now_ms))

    async def finish(self, job_id: str, claim: int, outcome: Outcome, now_ms: int) -> JobSummary | None:
        return await self._write(
            lambda transaction: job_writes.finish(transaction, job_id, claim, outcome, now_ms)
        )

    async def interrupt(
        self, job_id: str, claim: int, reason: str, ran_seconds: float, now_ms: int
    ) -> JobSummary | None:
        return await self._write(
            lambda transaction: job_writes.interrupt(transaction, job_id, claim, reason, ran_seconds, now_ms)
        )

    async def reschedule(
        self, job_id: str, claim: int, outcome: Outcome, run_at_ms: int, now_ms: int
    ) -> JobSummary | None:
        return await self._write(
            lambda transaction: job_writes.reschedule(transaction, job_id, claim, outcome, run_at_ms, now_ms)
        )

    async def end_pending(self, job_id: str, outcome: Outcome, now_ms: int) -> JobSummary | None:
        return await self._write(
            lambda transaction: job_writes.end_pending(transaction, job_id, outcome, now_ms)
        )

    async def request_cancel(
        self, job_id: str, tenant: str | None, by: str, now_ms: int, caller: Caller | None = None
    ) -> CancelResult | None:
        return await self._write(
            lambda transaction: job_writes.request_cancel(transaction, job_id, tenant, by, now_ms, caller)
        )

    async def recover(self, now_ms: int, policy: Mapping[str, OnInterrupt]) -> Recovered:
        return await self._write(lambda transaction: job_writes.recover(transaction, now_ms, policy))

    async def get(self, job_id: str, tenant: str | None) -> Job | None:
        return await self._read(lambda connection: reads.get_job(connection, job_id, tenant))

    async def list_jobs(self, query: JobQuery) -> Sequence[JobSummary]:
        tenants = self._counts.tenants()
        return await self._read(lambda connection: reads.list_jobs(connection, query, tenants))

    def counts(self) -> Sequence[GroupCount]:
        return self._counts.groups()

    def append(self, drafts: Sequence[EventDraft], *, job_id: str, claim: int) -> asyncio.Future[bool]:
        return self._write(lambda transaction: job_writes.append(transaction, job_id, claim, drafts))

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
        return await self._write(
            lambda transaction: journal.record(transaction, entry, drafts, usage, ran_seconds, job_id, claim)
        )

    async def journal(self, job_id: str) -> Sequence[JournalEntry]:
        return await self._read(lambda connection: journal.read(connection, job_id))

    async def forget(self, job_id: str, from_turn: int, *, claim: int) -> None:
        await self._write(lambda transaction: journal.forget(transaction, job_id, from_turn, claim))

    async def announce(self, drafts: Sequence[EventDraft], audit: Sequence[AuditDraft] = ()) -> None:
        await self._write(lambda transaction: _record_all(transaction, drafts, audit))

    async def audit_entries(self, query: AuditQuery) -> Sequence[AuditEntry]:
        return await self._read(lambda connection: audit_rows.read(connection, query))

    async def events(self, after: int, through: int | None, limit: int, only: EventFilter) -> EventPage:
        return await self._read(lambda connection: reads.read_events(connection, after, through, limit, only))

    async def event_bounds(self) -> EventBounds:
        return await self._read(_event_bounds)

    async def pause_agent(
        self, agent: str, *, paused: bool, event: EventDraft, audit: AuditDraft | None = None
    ) -> bool:
        return await self._write(
            lambda transaction: _set_paused(transaction, agent, event, audit, paused=paused)
        )

    async def paused_agents(self) -> frozenset[str]:
        return await self._read(_paused_agents)

    async def mcp_servers(self) -> Sequence[KeptServer]:
        return await self._read(mcp_servers.read)

    async def create_mcp_server(
        self, name: str, json_spec: Mapping[str, Any], change: ServerChange
    ) -> KeptServer | None:
        return await self._write(lambda transaction: mcp_servers.create(transaction, name, json_spec, change))

    async def update_mcp_server(
        self, name: str, json_spec: Mapping[str, Any], change: ServerChange
    ) -> KeptServer | None:
        return await self._write(lambda transaction: mcp_servers.update(transaction, name, json_spec, change))

    async def delete_mcp_server(self, name: str, change: ServerChange) -> bool:
        return await self._write(lambda transaction: mcp_servers.delete(transaction, name, change))

    async def prune(self, cutoffs: Cutoffs, now_ms: int, limit: int) -> PruneReport:
        return await self._write(lambda transaction: retention.prune(transaction, cutoffs, now_ms, limit))

    def _write(self, operation: Operation[T]) -> asyncio.Future[T]:
        if self._writer is None:
            refused: asyncio.Future[T] = asyncio.get_running_loop().create_future()
            refused.set_exception(StorageUnavailableError("the store is not open"))
            return refused
        return self._writer.submit(operation)

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._readers, self._run_read, query)
        except sqlite3.Error as error:
            raise StorageUnavailableError(f"{type(error).__name__}: {error}") from error
        except RuntimeError as error:  # the pool is shut down
            raise StorageUnavailableError(str(error)) from error

    def _run_read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = open_reader(self._path)
            self._connections.append(connection)
        return query(connection)


def _keep_node_id(connection: sqlite3.Connection, new_node_id: str) -> str:
    connection.execute("INSERT OR IGNORE INTO meta (key, value) VALUES ('node_id', ?)", (new_node_id,))
    (node_id,) = connection.execute("SELECT value FROM meta WHERE key = 'node_id'").fetchone()
    return str(node_id)


def _touch(transaction: Transaction) -> None:
    transaction.connection.execute(
        "INSERT INTO meta (key, value) VALUES ('probe', '1')"
        " ON CONFLICT (key) DO UPDATE SET value = value + 1"
    )


def _record_all(transaction: Transaction, drafts: Sequence[EventDraft], audit: Sequence[AuditDraft]) -> None:
    for draft in drafts:
        transaction.record(draft)
    for entry in audit:
        transaction.audit(entry)


def _event_bounds(connection: sqlite3.Connection) -> EventBounds:
    pruned = connection.execute(
        "SELECT value FROM meta WHERE key = ?", (retention.PRUNED_THROUGH,)
    ).fetchone()
    last = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'").fetchone()
    return EventBounds(int(pruned[0]) if pruned else 0, int(last[0]) if last else 0)


def _set_paused(
    transaction: Transaction, agent: str, event: EventDraft, audit: AuditDraft | None, *, paused: bool
) -> bool:
    sql = (
        "INSERT OR IGNORE INTO paused_agents (agent) VALUES (?)"
        if paused
        else "DELETE FROM paused_agents WHERE agent = ?"
    )
    changed = transaction.connection.execute(sql, (agent,)).rowcount > 0
    if changed:
        transaction.record(event)
        if audit is not None:
            transaction.audit(audit)
    return changed


def _paused_agents(connection: sqlite3.Connection) -> frozenset[str]:
    return frozenset(agent for (agent,) in connection.execute("SELECT agent FROM paused_agents"))
