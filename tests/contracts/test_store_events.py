"""The log of events in every store: ordered, filtered, bounded, and out before the answer."""

import asyncio
import json
from itertools import pairwise, product
from pathlib import Path

import pytest
from tests.support.clock import START_MS
from tests.support.events import EventRecorder
from tests.support.jobs import delta, job_id, new_job, notice
from tests.support.stores import MAX_EVENT_BYTES, make_store, opened

from airboss.domain.event_types import EventType
from airboss.domain.events import EventDraft
from airboss.domain.jobs import Outcome
from airboss.domain.states import JobState
from airboss.ports.store import Cutoffs, EventFilter, Store

EVERYTHING = EventFilter()
NEVER = Cutoffs(0, 0, 0)


async def read_all(store: Store, only: EventFilter, limit: int, after: int = 0) -> list[int]:
    """Follow the pages to their end."""
    found: list[int] = []
    while True:
        page = await store.events(after, None, limit, only)
        found += [event.id for event in page.events]
        assert page.read_through >= after
        if not page.has_more:
            return found
        assert page.read_through > after
        after = page.read_through


async def fill(store: Store) -> None:
    """Write events of two tenants, two agents, four jobs, and of nobody."""
    for number in range(4):
        tenant, agent = ("red", "blue")[number % 2], ("alpha", "beta")[number // 2]
        job = (await store.spawn(new_job(number, tenant=tenant, agent=agent), None)).job
        await store.start(job.id, START_MS + 1)
        await store.append([delta(job, f"{n}") for n in range(3)], job_id=job.id, claim=1)
        await store.announce([notice()])
        await store.finish(job.id, 1, Outcome(JobState.COMPLETED), START_MS + 2)
    await store.announce([notice(EventType.QUEUE_PAUSED, agent="alpha")])


async def test_ids_grow_and_are_published_in_their_order(store: Store, recorder: EventRecorder) -> None:
    async def live(number: int) -> None:
        job = (await store.spawn(new_job(number), None)).job
        await store.start(job.id, START_MS)
        appended = store.append([delta(job, "a"), delta(job, "b")], job_id=job.id, claim=1)
        await store.finish(job.id, 1, Outcome(JobState.COMPLETED), START_MS)
        assert await appended

    await asyncio.gather(*(live(number) for number in range(30)))
    assert all(earlier < later for earlier, later in pairwise(recorder.ids))
    for number in range(30):
        assert recorder.types(job_id(number)) == [
            "job.spawned",
            "job.started",
            "output.delta",
            "output.delta",
            "job.completed",
        ]
    assert await read_all(store, EVERYTHING, 1000) == recorder.ids


async def test_a_change_is_published_before_it_is_answered(store: Store, recorder: EventRecorder) -> None:
    job = (await store.spawn(new_job(), None)).job
    assert recorder.types() == ["job.spawned"]
    await store.start(job.id, START_MS)
    assert recorder.types()[-1] == "job.started"
    await store.append([delta(job)], job_id=job.id, claim=1)
    assert recorder.types()[-1] == "output.delta"
    await store.announce([notice()])
    assert recorder.types()[-1] == "node.joined"
    await store.pause_agent("alpha", paused=True, event=notice(EventType.QUEUE_PAUSED, agent="alpha"))
    assert recorder.types()[-1] == "queue.paused"
    await store.request_cancel(job.id, None, "someone", START_MS)
    assert recorder.types()[-1] == "job.cancel_requested"
    await store.finish(job.id, 1, Outcome(JobState.CANCELLED), START_MS)
    assert recorder.types()[-1] == "job.cancelled"


async def test_a_published_event_is_the_stored_event(store: Store, recorder: EventRecorder) -> None:
    await fill(store)
    page = await store.events(0, None, 1000, EVERYTHING)
    assert list(page.events) == recorder.events
    assert {event.node for event in page.events} == {await store.node_id()}
    assert page.events[-1].tenant is None
    assert page.events[-1].job_id is None


@pytest.mark.parametrize("limit", [1, 3, 1000])
async def test_every_filter_gives_what_a_plain_search_gives(
    store: Store, recorder: EventRecorder, limit: int
) -> None:
    await fill(store)
    for tenant, types, agent, job in product(
        (None, "red", "nobody"),
        (frozenset[str](), frozenset({"job.started", "node.joined"}), frozenset({"no.such"})),
        (None, "beta"),
        (None, job_id(1), job_id(2), job_id(77)),
    ):
        only = EventFilter(tenant, types, agent, job)
        expected = [event.id for event in recorder.events if only.admits(event)]
        assert await read_all(store, only, limit) == expected, only
        after = recorder.ids[len(recorder.ids) // 2]
        assert await read_all(store, only, limit, after) == [
            event_id for event_id in expected if event_id > after
        ]


async def test_a_sparse_filter_finds_the_one_event_far_away(store: Store, recorder: EventRecorder) -> None:
    await store.announce([notice(node=str(n)) for n in range(500)])
    await store.announce([notice(EventType.NODE_LEFT)])
    await store.announce([notice(node=str(n)) for n in range(100)])
    only = EventFilter(types=frozenset({"node.left"}))
    assert await read_all(store, only, 2) == [recorder.ids[500]]


@pytest.mark.parametrize("job", [None, job_id(0)])
async def test_nothing_behind_through_is_read(store: Store, recorder: EventRecorder, job: str | None) -> None:
    await fill(store)
    only = EventFilter(job_id=job)
    through = recorder.ids[3]
    page = await store.events(recorder.ids[0], through, 100, only)
    assert [event.id for event in page.events] == recorder.ids[1:4]
    assert not page.has_more
    assert page.read_through == through
    first = await store.events(0, through, 2, only)
    assert (first.has_more, first.read_through) == (True, recorder.ids[1])


async def test_reading_behind_the_end_gives_nothing(store: Store, recorder: EventRecorder) -> None:
    await fill(store)
    for job in (None, job_id(0)):
        page = await store.events(recorder.ids[-1] + 100, None, 10, EventFilter(job_id=job))
        assert (list(page.events), page.has_more) == ([], False)
        assert page.read_through == recorder.ids[-1] + 100


async def test_nothing_is_appended_without_the_claim(store: Store, recorder: EventRecorder) -> None:
    job = (await store.spawn(new_job(), None)).job
    assert not await store.append([delta(job)], job_id=job.id, claim=0)
    await store.start(job.id, START_MS)
    assert not await store.append([delta(job)], job_id=job.id, claim=2)
    assert not await store.append([delta(job)], job_id=job_id(5), claim=1)
    assert await store.append([delta(job)], job_id=job.id, claim=1)
    assert recorder.types() == ["job.spawned", "job.started", "output.delta"]


async def test_no_events_are_no_commit_to_tell(store: Store, recorder: EventRecorder) -> None:
    job = (await store.spawn(new_job(), None)).job
    await store.start(job.id, START_MS)
    await store.announce([])
    assert await store.append([], job_id=job.id, claim=1)
    assert recorder.types() == ["job.spawned", "job.started"]


async def test_a_long_event_is_cut_and_says_so(store: Store, recorder: EventRecorder) -> None:
    job = (await store.spawn(new_job(), None)).job
    await store.start(job.id, START_MS)
    assert await store.append([delta(job, "ж" * 100_000)], job_id=job.id, claim=1)
    event = recorder.events[-1]
    assert event.data["truncated"] is True
    assert event.data["job_id"] == job.id
    assert set(event.data["text"]) == {"ж"}
    assert MAX_EVENT_BYTES // 4 < len(event.data_json.encode()) <= MAX_EVENT_BYTES
    assert [event.data for event in (await store.events(0, None, 10, EVERYTHING)).events][-1] == event.data


async def test_text_of_every_script_comes_back_whole(store: Store, recorder: EventRecorder) -> None:
    text = 'naïve — файл 文件 👩‍👩‍👧 \u202e \x00 \u2028 \r\n\n " \\'
    await store.announce([notice(node=text)])
    (event,) = (await store.events(0, None, 10, EVERYTHING)).events
    assert event.data == {"node": text}
    assert "\n" not in event.data_json


async def test_an_agent_is_paused_once_and_resumed_once(store: Store, recorder: EventRecorder) -> None:
    paused = notice(EventType.QUEUE_PAUSED, agent="alpha")
    resumed = notice(EventType.QUEUE_RESUMED, agent="alpha")
    assert await store.paused_agents() == frozenset()
    assert await store.pause_agent("alpha", paused=True, event=paused)
    assert not await store.pause_agent("alpha", paused=True, event=paused)
    assert await store.pause_agent("beta", paused=True, event=paused)
    assert await store.paused_agents() == {"alpha", "beta"}
    assert await store.pause_agent("alpha", paused=False, event=resumed)
    assert not await store.pause_agent("alpha", paused=False, event=resumed)
    assert await store.paused_agents() == {"beta"}
    assert recorder.types() == ["queue.paused", "queue.paused", "queue.resumed"]


async def test_bounds_tell_what_was_given_and_what_is_gone(store: Store, recorder: EventRecorder) -> None:
    bounds = await store.event_bounds()
    assert (bounds.pruned_through, bounds.last) == (0, 0)
    await store.announce([notice(time_ms=START_MS + n) for n in range(10)])
    bounds = await store.event_bounds()
    assert (bounds.pruned_through, bounds.last) == (0, recorder.ids[-1])
    report = await store.prune(Cutoffs(0, START_MS + 4, 0), START_MS + 10, 100)
    assert (report.events, report.more) == (4, False)
    bounds = await store.event_bounds()
    assert (bounds.pruned_through, bounds.last) == (recorder.ids[3], recorder.ids[-1])
    assert await read_all(store, EVERYTHING, 100) == recorder.ids[4:]


async def test_retention_goes_by_the_order_of_ids_and_in_parts(store: Store, recorder: EventRecorder) -> None:
    times = [0, 1, 9, 2, 3]
    await store.announce([notice(time_ms=START_MS + time) for time in times])
    cutoffs = Cutoffs(0, START_MS + 5, 0)
    first = await store.prune(cutoffs, START_MS + 10, 1)
    assert (first.events, first.more) == (1, True)
    assert (await store.prune(cutoffs, START_MS + 10, 100)).events == 1
    assert (await store.prune(cutoffs, START_MS + 10, 100)).events == 0
    assert await read_all(store, EVERYTHING, 100) == recorder.ids[2:]


async def test_only_ended_jobs_are_pruned_and_each_is_announced(
    store: Store, recorder: EventRecorder
) -> None:
    for number in range(4):
        await store.spawn(new_job(number, tenant="red"), None)
    await store.start(job_id(0), START_MS)
    await store.end_pending(job_id(1), Outcome(JobState.FAILED), START_MS + 1)
    await store.end_pending(job_id(2), Outcome(JobState.FAILED), START_MS + 5000)
    report = await store.prune(Cutoffs(START_MS + 1000, 0, 0), START_MS + 6000, 100)
    assert (report.jobs, report.more) == (1, False)
    assert await store.get(job_id(1), None) is None
    for number in (0, 2, 3):
        assert await store.get(job_id(number), None) is not None
    event = recorder.events[-1]
    assert (event.type, event.job_id, event.tenant, event.agent) == (
        "job.pruned",
        job_id(1),
        "red",
        "alpha",
    )
    assert event.data == {
        "job_id": job_id(1),
        "agent": "alpha",
        "attempt": 0,
        "correlation_id": "request-1",
    }
    assert sum(group.jobs for group in store.counts()) == 3


async def test_what_has_no_age_limit_stays(store: Store, recorder: EventRecorder) -> None:
    await fill(store)
    report = await store.prune(NEVER, START_MS + 10, 100)
    assert (report.jobs, report.events, report.keys, report.more) == (0, 0, 0, False)


async def test_ids_keep_growing_after_everything_was_pruned_and_reopened(tmp_path: Path) -> None:
    async with opened(first := make_store("sqlite", tmp_path)) as before:
        await fill(first)
        await first.prune(Cutoffs(0, START_MS + 10**9, 0), START_MS, 1000)
        assert await read_all(first, EVERYTHING, 100) == []
        last = before.ids[-1]
    async with opened(second := make_store("sqlite", tmp_path)) as after:
        bounds = await second.event_bounds()
        assert (bounds.pruned_through, bounds.last) == (last, last)
        await second.announce([notice()])
        assert after.ids[0] > last
        assert json.loads(after.events[0].data_json) == {"node": "n1"}


async def test_cutting_keeps_an_event_of_nobody_readable(store: Store, recorder: EventRecorder) -> None:
    data = {"agent": "alpha", "list": ["x" * 40] * 2000}
    await store.announce([EventDraft(EventType.QUEUE_PAUSED, START_MS, data, agent="alpha")])
    event = recorder.events[-1]
    assert event.data["agent"] == "alpha"
    assert event.data["truncated"] is True
    assert len(event.data_json.encode()) <= MAX_EVENT_BYTES
