"""The table of edges is the one of the architecture, and everything is derived from it."""

from itertools import product

from airboss.domain.event_types import CATALOGUE, EventType
from airboss.domain.states import EDGES, FINAL_STATES, LIVE_STATES, JobState, events_between, final_event

#: Copied from the architecture's vocabulary: from, to, events.
TABLE = """
 | pending | job.spawned
pending | running | job.started
running | pending | job.interrupted, job.retry_scheduled
running | waiting | job.waiting
waiting | pending | job.resumed
running | completed | job.completed
pending, running, waiting | failed | job.failed
pending, running, waiting | cancelled | job.cancelled
pending, running, waiting | timed_out | job.timed_out
"""


def edges_of_the_table() -> set[tuple[str | None, str, str]]:
    edges: set[tuple[str | None, str, str]] = set()
    for line in TABLE.strip("\n").splitlines():
        sources, target, events = (cell.strip() for cell in line.split("|"))
        for source, event in product(sources.split(", "), events.split(", ")):
            edges.add((source or None, target, event))
    return edges


def test_the_edges_are_those_of_the_table() -> None:
    assert {(edge.source, edge.target, edge.event) for edge in EDGES} == edges_of_the_table()
    assert len(EDGES) == len(set(EDGES))


def test_legality_comes_from_the_table() -> None:
    table = edges_of_the_table()
    for source, target in product((None, *JobState), JobState):
        expected = {event for a, b, event in table if (a, b) == (source, target)}
        assert events_between(source, target) == expected


def test_nothing_leaves_a_final_state() -> None:
    assert {state for state in JobState if state.is_final} == FINAL_STATES
    assert set(JobState) == FINAL_STATES | LIVE_STATES
    assert not FINAL_STATES & LIVE_STATES
    assert not [edge for edge in EDGES if edge.source in FINAL_STATES]


def test_every_final_state_has_one_event() -> None:
    assert {final_event(state) for state in FINAL_STATES} == {
        EventType.JOB_COMPLETED,
        EventType.JOB_FAILED,
        EventType.JOB_CANCELLED,
        EventType.JOB_TIMED_OUT,
    }


def test_every_event_is_in_the_catalogue() -> None:
    assert set(CATALOGUE) == set(EventType)
