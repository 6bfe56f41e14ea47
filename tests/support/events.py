"""What was published, and waiting for it."""

import asyncio
from collections.abc import Callable, Sequence

from tests.support.clock import DEADLINE_SECONDS

from airboss.domain.events import Event


class EventRecorder:
    """Keeps every committed event; `publish` is an `OnCommit`, `tap` a tap of the bus."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._changed = asyncio.Event()

    def publish(self, events: Sequence[Event]) -> None:
        assert events, "a commit without events is not published"
        self.events += events
        self._changed.set()

    def tap(self, event: Event) -> None:
        self.publish([event])

    @property
    def ids(self) -> list[int]:
        return [event.id for event in self.events]

    def types(self, job_id: str | None = None) -> list[str]:
        return [event.type for event in self.events if job_id is None or event.job_id == job_id]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; it is looked at after each commit."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def seen(self, kind: str, job_id: str | None = None, times: int = 1) -> Event:
        """Wait for an event of this type and return the last one."""
        await self.until(lambda: self.types(job_id).count(kind) >= times)
        return [
            event
            for event in self.events
            if event.type == kind and (job_id is None or event.job_id == job_id)
        ][-1]
