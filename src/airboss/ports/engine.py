"""The engine: the doorbell. It holds ids and decides who is next; the store decides who may."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol


class QueueEntry(NamedTuple):
    """A pending job's place: earlier due first, within its agent and priority."""

    due_at_ms: int
    job_id: str
    agent: str
    priority: int


class Engine(Protocol):
    """Everything but `take` is immediate, so that a place can be counted before the first await."""

    def offer(self, entry: QueueEntry) -> None:
        """Queue an entry; offering it again is harmless."""
        ...

    def withdraw(self, entry: QueueEntry) -> bool:
        """Take an entry out of the queue; False where it is not in it."""
        ...

    async def take(self) -> QueueEntry:
        """Wait for the next entry that may start and count it as running."""
        ...

    def release(self, entry: QueueEntry) -> None:
        """Give back the place of an entry that was taken."""
        ...

    def pause(self, agent: str) -> None: ...
    def resume(self, agent: str) -> None: ...
    def paused(self) -> frozenset[str]: ...

    def depth(self) -> int: ...
    def depths(self) -> Mapping[str, int]: ...
    def running(self) -> Mapping[str, int]: ...
    def position(self, entry: QueueEntry) -> int | None:
        """Return the place in the order of starts, from 1; None where it is not queued."""
        ...

    def set_limits(self, limits: Iterable[tuple[str, int | None]]) -> None:
        """Set how many jobs of each agent run at once; None for no limit of its own."""
        ...
