"""The audit: entries stand or fall with the change they are about, and are read newest first."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.clock import START_MS
from tests.support.events import EventRecorder
from tests.support.jobs import delta, job_id, new_job, notice
from tests.support.nodes import ADMIN, BY_ADMIN, CALLER

from airboss.domain import audit
from airboss.domain.audit import SYSTEM, Actor, AuditAction, AuditDraft, AuditEntry, Caller, TargetKind
from airboss.domain.event_types import EventType
from airboss.domain.principals import Principal, Role
from airboss.ports.audit import AuditQuery
from airboss.ports.store import Cutoffs, Idempotency, Store

pytestmark = pytest.mark.usefixtures("recorder")
SOMEONE = Caller(CALLER, "req-1")


async def entries(store: Store, **wanted: Any) -> list[AuditEntry]:
    return list(await store.audit_entries(AuditQuery(**wanted)))


async def told(store: Store, **wanted: Any) -> list[tuple[str, str]]:
    found = await entries(store, **wanted)
    return [(entry.draft.action.value, entry.draft.target_id) for entry in found]


def note(number: int, **fields: Any) -> AuditDraft:
    draft = AuditDraft(
        AuditAction.SETTINGS_LOAD, START_MS + number, SYSTEM, TargetKind.SETTINGS, f"hash-{number}"
    )
    return replace(draft, **fields)


async def test_a_spawn_tells_who_and_for_whom(store: Store) -> None:
    job = new_job(1, tenant="red")
    await store.spawn(job, None, Caller(ADMIN, "req-9"))
    (entry,) = await entries(store)
    assert entry.draft == AuditDraft(
        AuditAction.JOB_SPAWN,
        START_MS,
        Actor("root", "default", Role.ADMIN),
        TargetKind.JOB,
        job.id,
        "red",
        correlation_id="req-9",
        details={"agent": "alpha"},
    )
    assert entry.draft.crosses_tenants


async def test_what_the_server_does_of_its_own_accord_is_no_entry(store: Store) -> None:
    await store.spawn(new_job(1), None)
    assert await entries(store) == []


async def test_a_replay_changes_nothing_and_is_no_entry(store: Store) -> None:
    key = Idempotency("k", "h")
    await store.spawn(new_job(1), key, SOMEONE)
    await store.spawn(new_job(2), key, SOMEONE)
    assert await told(store) == [("job.spawn", job_id(1))]


async def test_a_change_that_fails_leaves_no_entry(store: Store) -> None:
    with pytest.raises((TypeError, ValueError)):
        await store.spawn(new_job(1, input=object(), input_preview=""), None, SOMEONE)
    # Its entry would be whole, were it not for the event beside it.
    broken = replace(notice(), data={"node": object()})
    with pytest.raises((TypeError, ValueError)):
        await store.announce([broken], [note(1)])
    assert await entries(store) == []


async def test_a_retry_is_told_of_both_jobs(store: Store) -> None:
    again = new_job(2, retry_of=job_id(1))
    await store.spawn(again, None, SOMEONE)
    assert await told(store) == [("job.spawn", job_id(2)), ("job.retry", job_id(1))]
    (of_old,) = await entries(store, target_id=job_id(1))
    assert of_old.draft.details == {"agent": "alpha", "job_id": job_id(2)}


async def test_a_cancel_is_told_once_with_the_state_it_met(store: Store) -> None:
    job = new_job(1)
    await store.spawn(job, None)
    await store.start(job.id, START_MS)
    for _ in range(2):
        await store.request_cancel(job.id, "default", "someone", START_MS + 5, SOMEONE)
    await store.request_cancel(job_id(9), None, "root", START_MS, BY_ADMIN)
    (entry,) = await entries(store)
    assert entry.draft.action is AuditAction.JOB_CANCEL
    assert entry.draft.details == {"agent": "alpha", "state": "running"}
    assert not entry.draft.crosses_tenants


async def test_a_pause_is_told_where_it_changed_something(store: Store) -> None:
    event = notice(EventType.QUEUE_PAUSED, agent="alpha")
    entry = audit.shared(AuditAction.QUEUE_PAUSE, TargetKind.QUEUE, "alpha", BY_ADMIN, START_MS)
    for _ in range(2):
        await store.pause_agent("alpha", paused=True, event=event, audit=entry)
    (kept,) = await entries(store)
    assert kept.draft == entry
    assert kept.draft.tenant is None


async def test_entries_are_announced_beside_events(store: Store, recorder: EventRecorder) -> None:
    await store.announce([notice()], [note(1), note(2)])
    assert await told(store) == [("settings.load", "hash-2"), ("settings.load", "hash-1")]
    assert recorder.types() == ["node.joined"]


async def test_pages_go_down_by_id_while_entries_are_added(store: Store) -> None:
    await store.announce([], [note(number) for number in range(5)])
    first = await entries(store, limit=2)
    await store.announce([], [note(9)])
    second = await entries(store, limit=2, before_id=first[-1].id)
    ids = [entry.id for entry in [*first, *second]]
    assert ids == sorted(ids, reverse=True)
    assert [entry.draft.target_id for entry in second] == ["hash-2", "hash-1"]


async def test_each_filter_leaves_what_it_names(store: Store) -> None:
    ada = Caller(Principal("ada", "red", Role.ADMIN), "req-7")
    await store.spawn(new_job(1), None, SOMEONE)
    await store.spawn(new_job(2, tenant="red"), None, ada)
    await store.request_cancel(job_id(2), None, "ada", START_MS + 10, ada)
    await store.announce([], [note(20)])
    cancel, spawn = ("job.cancel", job_id(2)), ("job.spawn", job_id(2))
    assert await told(store, actor="ada") == [cancel, spawn]
    assert await told(store, actions=frozenset({AuditAction.JOB_CANCEL})) == [cancel]
    assert await told(store, target_kind=TargetKind.SETTINGS) == [("settings.load", "hash-20")]
    assert await told(store, target_id=job_id(2)) == [cancel, spawn]
    assert await told(store, tenant="default") == [("job.spawn", job_id(1))]
    assert await told(store, after_ms=START_MS, before_ms=START_MS + 20) == [cancel]
    assert await told(store, actor="ada", actions=frozenset(AuditAction), tenant="default") == []


async def test_retention_keeps_entries_as_long_as_what_they_are_about(store: Store) -> None:
    await store.announce([], [note(number) for number in range(4)])
    both = Cutoffs(jobs_before_ms=START_MS + 2, events_before_ms=START_MS + 3, keys_before_ms=0)
    report = await store.prune(both, START_MS + 10, 500)
    assert report.audit == 2
    assert await told(store) == [("settings.load", "hash-3"), ("settings.load", "hash-2")]
    assert not report.more


async def test_retention_takes_entries_a_part_at_a_time(store: Store) -> None:
    await store.announce([], [note(number) for number in range(5)])
    everything = Cutoffs(*[START_MS + 100] * 3)
    reports = [await store.prune(everything, START_MS, 2) for _ in range(3)]
    assert [(report.audit, report.more) for report in reports] == [(2, True), (2, True), (1, False)]
    assert await entries(store) == []


async def test_what_a_worker_tells_is_no_entry(store: Store) -> None:
    job = new_job(1)
    await store.spawn(job, None, SOMEONE)
    started = await store.start(job.id, START_MS)
    assert started is not None
    await store.append([delta(job)], job_id=job.id, claim=started.claim)
    assert await told(store) == [("job.spawn", job.id)]
