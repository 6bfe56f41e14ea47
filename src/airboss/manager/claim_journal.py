"""A run's journal, written under its claim."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from airboss.domain.errors import StorageUnavailableError
from airboss.domain.events import EventDraft
from airboss.domain.jobs import Job, Usage
from airboss.domain.journal import JournalEntry, JournalKey
from airboss.manager.late_writes import LateWrites
from airboss.manager.store_waiting import until_stored
from airboss.ports.clock import Clock
from airboss.ports.loop import ClaimLostError
from airboss.ports.store import Store


class ClaimJournal:
    """Events go out without waiting for the disk; answers wait for it."""

    def __init__(self, store: Store, job: Job, clock: Clock, late_writes: LateWrites) -> None:
        self._store = store
        self._job = job
        self._clock = clock
        self._late_writes = late_writes
        self._began = clock.monotonic()
        self._entries: dict[JournalKey, JournalEntry] = {}

    @classmethod
    async def open(cls, store: Store, job: Job, clock: Clock, late_writes: LateWrites) -> "ClaimJournal":
        """Read what earlier runs kept; a first run has nothing to read."""
        journal = cls(store, job, clock, late_writes)
        if job.claim > 1:
            entries = await until_stored(lambda: store.journal(job.id), clock)
            journal._entries = {entry.key: entry for entry in entries}
        return journal

    def recall(self, key: JournalKey) -> JournalEntry | None:
        return self._entries.get(key)

    def emit(self, drafts: Sequence[EventDraft]) -> None:
        # An event that cannot be written must not end a run that can: the job's own writes tell.
        with suppress(StorageUnavailableError):
            appended = asyncio.ensure_future(
                self._store.append(drafts, job_id=self._job.id, claim=self._job.claim)
            )
            appended.add_done_callback(self._look_at)

    async def record(self, entry: JournalEntry, drafts: Sequence[EventDraft], usage: Usage) -> None:
        """Keep an answer; a store that is away is waited for, since the answer was paid for."""
        job = self._job
        kept = await until_stored(
            lambda: self._store.record(
                entry, drafts, usage, self._clock.monotonic() - self._began, job_id=job.id, claim=job.claim
            ),
            self._clock,
        )
        if not kept:
            self._late_writes.count()
            raise ClaimLostError
        self._entries[entry.key] = entry

    async def forget(self, from_turn: int) -> None:
        self._entries = {key: entry for key, entry in self._entries.items() if key.turn < from_turn}
        await until_stored(
            lambda: self._store.forget(self._job.id, from_turn, claim=self._job.claim), self._clock
        )

    def _look_at(self, appended: asyncio.Future[bool]) -> None:
        # Looked at whatever it is: an exception that nobody reads is logged as lost.
        if not appended.cancelled() and appended.exception() is None and not appended.result():
            self._late_writes.count()
