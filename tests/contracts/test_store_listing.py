"""Pages of jobs in every store: newest first, filtered, without gap or double."""

from itertools import product

import pytest
from tests.support.clock import START_MS
from tests.support.jobs import new_job
from tests.support.stores import all_jobs, ids

from airboss.domain.errors import JobError
from airboss.domain.jobs import Job, Outcome
from airboss.domain.states import FINAL_STATES, LIVE_STATES, JobState
from airboss.ports.store import JobQuery, Store

pytestmark = pytest.mark.usefixtures("recorder")

TENANTS = ("red", "blue", "green")
AGENTS = ("alpha", "beta")
STEP_MS = 10
STATES = (
    JobState.PENDING,
    JobState.RUNNING,
    JobState.COMPLETED,
    JobState.FAILED,
    JobState.CANCELLED,
    JobState.TIMED_OUT,
)


async def add(store: Store, number: int, state: JobState, **fields: str) -> Job:
    job = new_job(number, created_at_ms=START_MS + number * STEP_MS, **fields)
    await store.spawn(job, None)
    if state is JobState.CANCELLED:
        await store.request_cancel(job.id, None, "someone", job.created_at_ms + 1)
    elif state is not JobState.PENDING:
        running = await store.start(job.id, job.created_at_ms + 1)
        assert running is not None
        if state is not JobState.RUNNING:
            error = None if state is JobState.COMPLETED else JobError("internal", "broke")
            await store.finish(job.id, running.claim, Outcome(state, error=error), job.created_at_ms + 2)
    kept = await store.get(job.id, None)
    assert kept is not None
    assert kept.state is state
    return kept


async def fill(store: Store) -> list[Job]:
    """Add two jobs for each tenant, agent and state; newest first."""
    kinds = list(product(range(2), STATES, TENANTS, AGENTS))
    jobs = [
        await add(store, number, state, tenant=tenant, agent=agent)
        for number, (_, state, tenant, agent) in enumerate(kinds)
    ]
    return jobs[::-1]


async def test_every_filter_gives_what_a_plain_search_gives(store: Store) -> None:
    jobs = await fill(store)
    middle_ms = START_MS + 35 * STEP_MS
    state_sets: list[frozenset[JobState]] = [
        frozenset(),
        frozenset({JobState.PENDING}),
        frozenset({JobState.FAILED}),
        frozenset({JobState.WAITING}),
        frozenset({JobState.RUNNING, JobState.COMPLETED, JobState.TIMED_OUT}),
        LIVE_STATES,
        FINAL_STATES,
        frozenset(JobState),
    ]
    for tenant, states, agent, after, before, limit in product(
        (None, "red", "nobody"),
        state_sets,
        (None, "beta", "no such agent"),
        (None, middle_ms),
        (None, middle_ms + 20 * STEP_MS),
        (1, 7, 200),
    ):
        query = JobQuery(tenant, states, agent, after, before, None, limit)
        expected = [
            job.id
            for job in jobs
            if (tenant is None or job.tenant == tenant)
            and (not states or job.state in states)
            and (agent is None or job.agent == agent)
            and (after is None or job.created_at_ms > after)
            and (before is None or job.created_at_ms < before)
        ]
        page = await store.list_jobs(query)
        assert [job.id for job in page] == expected[:limit], query


async def test_following_the_pages_gives_each_job_once(store: Store) -> None:
    jobs = await fill(store)
    for tenant, states in product((None, "blue"), (frozenset(), FINAL_STATES, frozenset(JobState))):
        expected = [
            job for job in jobs if tenant in (None, job.tenant) and (not states or job.state in states)
        ]
        found = await all_jobs(store, JobQuery(tenant, states, limit=5))
        assert ids(found) == ids(expected)


async def test_bounds_of_time_are_exclusive_to_the_millisecond(store: Store) -> None:
    for number in range(5):
        for same_moment in range(2):
            moment = START_MS + number
            await store.spawn(new_job(number * 2 + same_moment, created_at_ms=moment), None)
    page = await store.list_jobs(
        JobQuery(None, created_after_ms=START_MS + 1, created_before_ms=START_MS + 3)
    )
    assert [job.created_at_ms - START_MS for job in page] == [2, 2]
    assert len(await store.list_jobs(JobQuery(None, created_after_ms=-1))) == 10
    assert not await store.list_jobs(JobQuery(None, created_before_ms=0))


async def test_jobs_added_between_pages_make_no_gap_and_no_double(store: Store) -> None:
    first = [await add(store, number, JobState.PENDING) for number in range(25)]
    seen: list[str] = []
    before_id, next_number = None, 25
    while page := await store.list_jobs(JobQuery("default", before_id=before_id, limit=4)):
        seen += [job.id for job in page]
        before_id = page[-1].id
        await add(store, next_number, JobState.COMPLETED)
        next_number += 1
    assert seen == ids(first[::-1])


async def test_an_item_of_a_page_is_the_job_without_its_input_and_output(store: Store) -> None:
    job = await add(store, 1, JobState.COMPLETED)
    (item,) = await store.list_jobs(JobQuery("default"))
    for name in item.__dataclass_fields__:
        if name not in ("input", "output"):
            assert getattr(item, name) == getattr(job, name)


@pytest.mark.parametrize("tenants", [399, 450])
async def test_an_admin_sees_the_jobs_of_many_tenants(store: Store, tenants: int) -> None:
    for number in range(tenants):
        await store.spawn(new_job(number, tenant=f"tenant-{number % tenants:03}"), None)
    cancelled = new_job(tenants, tenant="tenant-000")
    await store.spawn(cancelled, None)
    await store.request_cancel(cancelled.id, None, "someone", START_MS)
    found = await all_jobs(store, JobQuery(None, limit=200))
    assert len(found) == tenants + 1
    assert ids(found) == sorted(ids(found), reverse=True)
    ended = await store.list_jobs(JobQuery(None, states=frozenset({JobState.CANCELLED, JobState.FAILED})))
    assert [job.id for job in ended] == [cancelled.id]
    waiting = await store.list_jobs(JobQuery(None, states=frozenset({JobState.PENDING}), limit=200))
    assert len(waiting) == 200
    assert await store.list_jobs(JobQuery(None, agent="beta")) == []


async def test_an_empty_store_has_empty_pages(store: Store) -> None:
    for tenant, states in product((None, "red"), (frozenset(), LIVE_STATES, FINAL_STATES)):
        assert await store.list_jobs(JobQuery(tenant, states)) == []
