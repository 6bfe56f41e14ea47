"""The states of a job and the one table of edges between them."""

from enum import StrEnum
from typing import NamedTuple

from airboss.domain.event_types import EventType


class JobState(StrEnum):
    PENDING = "pending"
    RUNNING = "running"
    WAITING = "waiting"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"

    @property
    def is_final(self) -> bool:
        return self in FINAL_STATES


FINAL_STATES = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED, JobState.TIMED_OUT})
LIVE_STATES = frozenset(JobState) - FINAL_STATES


class Edge(NamedTuple):
    """One legal move; `source` is None where a job comes into being."""

    source: JobState | None
    target: JobState
    event: EventType


_LIVE = (JobState.PENDING, JobState.RUNNING, JobState.WAITING)

EDGES: tuple[Edge, ...] = (
    Edge(None, JobState.PENDING, EventType.JOB_SPAWNED),
    Edge(JobState.PENDING, JobState.RUNNING, EventType.JOB_STARTED),
    Edge(JobState.RUNNING, JobState.PENDING, EventType.JOB_INTERRUPTED),
    Edge(JobState.RUNNING, JobState.PENDING, EventType.JOB_RETRY_SCHEDULED),
    Edge(JobState.RUNNING, JobState.WAITING, EventType.JOB_WAITING),
    Edge(JobState.WAITING, JobState.PENDING, EventType.JOB_RESUMED),
    Edge(JobState.RUNNING, JobState.COMPLETED, EventType.JOB_COMPLETED),
    *(Edge(source, JobState.FAILED, EventType.JOB_FAILED) for source in _LIVE),
    *(Edge(source, JobState.CANCELLED, EventType.JOB_CANCELLED) for source in _LIVE),
    *(Edge(source, JobState.TIMED_OUT, EventType.JOB_TIMED_OUT) for source in _LIVE),
)

_EVENTS: dict[tuple[JobState | None, JobState], frozenset[EventType]] = {
    (edge.source, edge.target): frozenset(
        other.event for other in EDGES if (other.source, other.target) == (edge.source, edge.target)
    )
    for edge in EDGES
}


def events_between(source: JobState | None, target: JobState) -> frozenset[EventType]:
    """Return the events that may announce this move; none where the move is not legal."""
    return _EVENTS.get((source, target), frozenset())


def final_event(target: JobState) -> EventType:
    """Return the event that announces a final state."""
    (event,) = {edge.event for edge in EDGES if edge.target is target}
    return event
