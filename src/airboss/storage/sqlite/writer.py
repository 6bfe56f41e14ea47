"""The one writer: a thread that takes what has gathered and commits it once (group commit)."""

import asyncio
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, NamedTuple, TypeVar

from airboss.domain.audit import AuditDraft
from airboss.domain.errors import StorageUnavailableError
from airboss.domain.events import Event, EventDraft, encode_data
from airboss.domain.jobs import Job
from airboss.domain.states import JobState
from airboss.ports.store import OnCommit
from airboss.storage.sqlite import audit
from airboss.storage.sqlite.rows import INSERT_EVENT, INSERT_JOB, event_row, job_row

T = TypeVar("T")
_MAX_BATCH = 512

_DROP_JOURNAL = "DELETE FROM journal WHERE job_id = ?"
_ADD_COUNT = (
    "INSERT INTO job_counts (tenant, agent, state, jobs) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (tenant, agent, state) DO UPDATE SET jobs = jobs + excluded.jobs"
)

GroupKey = tuple[str, str, JobState]


@dataclass(slots=True)
class Transaction:
    """What one transaction writes; operations of one batch share it.

    What nothing in it reads again is gathered and written at its end, many rows to a statement.
    """

    connection: sqlite3.Connection
    node: str
    max_event_bytes: int
    #: Of the event before the next one. There is one writer, so it may count for itself.
    last_event_id: int
    events: list[Event] = field(default_factory=list)
    counts: Counter[GroupKey] = field(default_factory=Counter)
    _job_rows: list[tuple[Any, ...]] = field(default_factory=list)
    _audit_rows: list[tuple[Any, ...]] = field(default_factory=list)
    _dropped_journals: list[tuple[str]] = field(default_factory=list)

    def record(self, draft: EventDraft) -> None:
        """Write an event; its id is the order of its commit."""
        self.last_event_id += 1
        event = Event(
            self.last_event_id,
            draft.type.value,
            draft.time_ms,
            self.node,
            draft.tenant,
            draft.job_id,
            draft.agent,
            encode_data(draft.data, self.max_event_bytes),
        )
        self.events.append(event)

    def audit(self, draft: AuditDraft) -> None:
        """Write an entry of the audit beside the change it is about."""
        self._audit_rows.append(audit.row(draft))

    def count(self, tenant: str, agent: str, state: JobState, by: int) -> None:
        self.counts[tenant, agent, state] += by

    def insert(self, job: Job) -> None:
        """Write a new job; who reads it in the same transaction flushes first."""
        self._job_rows.append(job_row(job))

    def flush_jobs(self) -> None:
        """Write the jobs that were gathered, for who reads one of them."""
        if self._job_rows:
            self.connection.executemany(INSERT_JOB, self._job_rows)
            self._job_rows.clear()

    def drop_journal(self, job_id: str) -> None:
        """Drop what was kept for a job that ends here, or starts from scratch after this."""
        self._dropped_journals.append((job_id,))

    def flush(self) -> None:
        """Write what was gathered."""
        self.flush_jobs()
        if self.events:
            self.connection.executemany(INSERT_EVENT, map(event_row, self.events))
        if self._audit_rows:
            self.connection.executemany(audit.INSERT, self._audit_rows)
        if self._dropped_journals:
            self.connection.executemany(_DROP_JOURNAL, self._dropped_journals)
        self.connection.executemany(
            _ADD_COUNT, [(*key[:2], key[2].value, by) for key, by in self.counts.items() if by]
        )


Operation = Callable[[Transaction], T]


class _Item(NamedTuple):
    operation: Operation[Any]
    future: asyncio.Future[Any]


class _Answer(NamedTuple):
    future: asyncio.Future[Any]
    result: Any
    error: Exception | None


@dataclass(slots=True)
class _Done:
    """What a batch hands back to the event loop."""

    answers: list[_Answer] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    counts: Counter[GroupKey] = field(default_factory=Counter)


class Writer:
    """Runs operations in the order they came; each is answered after the commit that holds it."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        *,
        node: str,
        max_event_bytes: int,
        last_event_id: int,
        on_commit: OnCommit,
        on_counts: Callable[[Counter[GroupKey]], None],
    ) -> None:
        self._connection = connection
        self._node = node
        self._max_event_bytes = max_event_bytes
        self._last_event_id = last_event_id
        self._on_commit = on_commit
        self._on_counts = on_counts
        self._loop = asyncio.get_running_loop()
        #: None comes last and ends the thread.
        self._gathered: SimpleQueue[_Item | None] = SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="airboss-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Operation[T]) -> asyncio.Future[T]:
        """Queue an operation; raises `StorageUnavailableError` from the future where it fails."""
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closing:
            future.set_exception(StorageUnavailableError("the store is closed"))
            return future
        self._gathered.put(_Item(operation, future))
        return future

    async def close(self) -> None:
        """Commit what was submitted, then end the thread."""
        self._closing = True
        self._gathered.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        closing = False
        while not closing:
            taken = [self._gathered.get()]
            # Nobody else takes, so what is there now can be taken without waiting.
            taken += [self._gathered.get() for _ in range(min(self._gathered.qsize(), _MAX_BATCH - 1))]
            batch = [item for item in taken if item is not None]
            closing = len(batch) < len(taken)
            if batch:
                done = self._commit(batch)
                self._loop.call_soon_threadsafe(self._deliver, done)

    def _commit(self, batch: Sequence[_Item]) -> _Done:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as error:
            # Another process holds the lock, or the medium is gone: asked one by one, each would wait as long.
            self._rollback()
            return _Done([_Answer(item.future, None, _told(error)) for item in batch])
        try:
            return self._transact(batch)
        except Exception as error:  # noqa: BLE001 - whatever an operation raised, its batch must be answered
            self._rollback()
            if len(batch) == 1:
                return _Done([_Answer(batch[0].future, None, _told(error))])
        # One operation spoiled the batch: give each a transaction of its own, so that only it fails.
        done = _Done()
        for item in batch:
            part = self._commit([item])
            done.answers += part.answers
            done.events += part.events
            done.counts.update(part.counts)
        return done

    def _transact(self, batch: Sequence[_Item]) -> _Done:
        transaction = Transaction(self._connection, self._node, self._max_event_bytes, self._last_event_id)
        answers = [_Answer(item.future, item.operation(transaction), None) for item in batch]
        transaction.flush()
        self._connection.execute("COMMIT")
        self._last_event_id = transaction.last_event_id
        return _Done(answers, transaction.events, transaction.counts)

    def _rollback(self) -> None:
        # Where the medium fails, this can fail as well; then BEGIN fails next, and that is answered.
        with suppress(sqlite3.Error):
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")

    def _deliver(self, done: _Done) -> None:
        """Publish, then answer: whoever acts on an answer finds its events already out."""
        self._on_counts(done.counts)
        try:
            if done.events:
                self._on_commit(done.events)
        finally:
            # What is on disk is answered, whatever a listener made of its events.
            self._answer(done)

    def _answer(self, done: _Done) -> None:
        for answer in done.answers:
            if answer.future.done():
                continue
            if answer.error is None:
                answer.future.set_result(answer.result)
            else:
                answer.future.set_exception(answer.error)


def _told(error: Exception) -> Exception:
    if isinstance(error, sqlite3.Error):
        return StorageUnavailableError(f"{type(error).__name__}: {error}")
    return error
