"""Waiting for jobs to end."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from airboss.domain.events import Event
from airboss.domain.states import FINAL_STATES, final_event

FINAL_EVENTS = frozenset(final_event(state).value for state in FINAL_STATES)


class Endings:
    """A tap on the bus that wakes who waits for a job's final event."""

    def __init__(self) -> None:
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self.is_closed = False

    def on_event(self, event: Event) -> None:
        if event.type in FINAL_EVENTS and event.job_id is not None:
            _wake(self._waiting.get(event.job_id, ()))

    def close(self) -> None:
        """Wake everyone: no job ends here any more, and each is told as it stands."""
        self.is_closed = True
        for futures in self._waiting.values():
            _wake(futures)

    @contextmanager
    def of(self, job_id: str) -> Iterator[asyncio.Future[None]]:
        """Give a future that resolves when the job ends; ask for it before reading the job."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[job_id].add(future)
        try:
            yield future
        finally:
            self._waiting[job_id].discard(future)
            if not self._waiting[job_id]:
                del self._waiting[job_id]


def _wake(futures: Iterable[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
