"""A run's journal, written under its claim."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeVar

from tenacity import AsyncRetrying, retry_if_exception_type, wait_exponential

from airboss.domain.errors import StorageUnavailableError
from airboss.domain.events import EventDraft
from airboss.domain.jobs import Job, Usage
from airboss.domain.journal import JournalEntry, JournalKey
from airboss.ports.clock import Clock
from airboss.ports.loop import ClaimLostError
from airboss.ports.store import Store

T = TypeVar("T")


class ClaimJournal:
    """Events go out without waiting for the disk; answers wait for it."""

    def __init__(self, store: Store, job: Job, clock: Clock) -> None:
        self._store = store
        self._job = job
        self._clock = clock
        self._began = clock.monotonic()
        self._entries: dict[JournalKey, JournalEntry] = {}

    @classmethod
    async def open(cls, store: Store, job: Job, clock: Clock) -> "ClaimJournal":
        """Read what earlier runs kept; a first run has nothing to read."""
        journal = cls(store, job, clock)
        if job.claim > 1:
            entries = await journal._patiently(lambda: store.journal(job.id))
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
            appended.add_done_callback(_retrieve)

    async def record(self, entry: JournalEntry, drafts: Sequence[EventDraft], usage: Usage) -> None:
        """Keep an answer; a store that is away is waited for, since the answer was paid for."""
        job = self._job
        kept = await self._patiently(
            lambda: self._store.record(
                entry, drafts, usage, self._clock.monotonic() - self._began, job_id=job.id, claim=job.claim
            )
        )
        if not kept:
            raise ClaimLostError
        self._entries[entry.key] = entry

    async def forget(self, from_turn: int) -> None:
        self._entries = {key: entry for key, entry in self._entries.items() if key.turn < from_turn}
        await self._patiently(lambda: self._store.forget(self._job.id, from_turn, claim=self._job.claim))

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do it when the store can: a run does not fail because a disk is full for a while."""
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(StorageUnavailableError),
            wait=wait_exponential(multiplier=0.1, max=5.0),
            sleep=self._clock.sleep,
        )
        async for attempt in retrying:
            with attempt:
                return await work()
        raise AssertionError("it retries until it returns or raises")


def _retrieve(future: asyncio.Future[bool]) -> None:
    if not future.cancelled():
        future.exception()
