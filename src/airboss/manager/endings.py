"""Waiting for jobs to end."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from airboss.domain.events import Event
from airboss.domain.jobs import Job
from airboss.domain.states import FINAL_STATES, final_event

FINAL_EVENTS = frozenset(final_event(state).value for state in FINAL_STATES)


#: Resolves when a job may have ended: with the whole job where it is at hand, else with None.
Ending = asyncio.Future[Job | None]


class Endings:
    """Wakes who waits for a job: its run here by `tell`, which has the job, and every other end by its event."""

    def __init__(self, runs_here: Callable[[str], bool]) -> None:
        self._runs_here = runs_here
        self._waiting: defaultdict[str, set[Ending]] = defaultdict(set)
        self.is_closed = False

    def on_event(self, event: Event) -> None:
        """Take an event, as a tap of the bus. What runs here is told by its run, in the next turn."""
        if event.type in FINAL_EVENTS and event.job_id is not None and not self._runs_here(event.job_id):
            self.tell(event.job_id)

    def tell(self, job_id: str, whole: Callable[[], Job] | None = None) -> None:
        """Wake who waits for this job; `whole` makes it, where it has ended and need not be read."""
        if waiting := self._waiting.get(job_id):
            _wake(waiting, None if whole is None else whole())

    def close(self) -> None:
        """Wake everyone: no job ends here any more, and each is told as it stands."""
        self.is_closed = True
        for futures in self._waiting.values():
            _wake(futures, None)

    @contextmanager
    def of(self, job_id: str) -> Iterator[Ending]:
        """Give a future that resolves when the job may have ended; ask for it before reading the job."""
        future: Ending = asyncio.get_running_loop().create_future()
        self._waiting[job_id].add(future)
        try:
            yield future
        finally:
            self._waiting[job_id].discard(future)
            if not self._waiting[job_id]:
                del self._waiting[job_id]


def _wake(waiting: Iterable[Ending], job: Job | None) -> None:
    for ending in waiting:
        if not ending.done():
            ending.set_result(job)
