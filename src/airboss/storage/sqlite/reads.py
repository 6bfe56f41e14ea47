"""Queries of readers: keyset pages over indexes, no counting."""

import sqlite3
from collections.abc import Sequence
from typing import Any

from airboss.domain.events import Event
from airboss.domain.identifiers import lowest_id_at
from airboss.domain.jobs import Job, JobSummary
from airboss.domain.states import FINAL_STATES, LIVE_STATES, JobState
from airboss.ports.store import EventFilter, EventPage, JobQuery
from airboss.storage.sqlite.rows import (
    EVENT_COLUMNS,
    IS_LIVE,
    JOB_COLUMNS,
    SUMMARY_COLUMNS,
    to_event,
    to_job,
    to_summary,
)

#: SQLite takes 500 terms in a compound select; each tenant and final state is one.
_MAX_BRANCHES = 400
_FINAL = "state IN ('completed', 'failed', 'cancelled', 'timed_out')"
_SCAN_FACTOR = 20


def get_job(connection: sqlite3.Connection, job_id: str, tenant: str | None) -> Job | None:
    row = connection.execute(
        f"SELECT {JOB_COLUMNS} FROM jobs WHERE id = ?",
        (job_id,),
    ).fetchone()
    if row is None or (tenant is not None and row[1] != tenant):
        return None
    return to_job(row)


def list_jobs(connection: sqlite3.Connection, query: JobQuery, tenants: Sequence[str]) -> list[JobSummary]:
    """Return one page, newest first; `tenants` are those that have jobs at all."""
    if query.tenant is not None:
        tenants = (query.tenant,)
    branches = _branches(query, tenants)
    sql = " UNION ALL ".join(f"SELECT * FROM ({branch})" for branch, _ in branches)
    parameters = [value for _, values in branches for value in values]
    rows = connection.execute(f"{sql} ORDER BY id DESC LIMIT ?", [*parameters, query.limit])
    return [to_summary(row) for row in rows]


def _branches(query: JobQuery, tenants: Sequence[str]) -> list[tuple[str, list[Any]]]:
    """Split the query into ranges that each run down one index."""
    live = sorted(state.value for state in query.states & LIVE_STATES)
    final = sorted(state.value for state in query.states & FINAL_STATES)
    if len(tenants) * max(1, len(final)) > _MAX_BRANCHES:
        return [_branch(query, tenant=None, states=[state.value for state in query.states])]
    if not query.states:
        return [_branch(query, tenant=tenant, states=[]) for tenant in tenants] or [
            _branch(query, tenant=None, states=[])
        ]
    branches = []
    if live:
        branches.append(_branch(query, tenant=query.tenant, states=live, hint=IS_LIVE))
    for tenant in tenants:
        branches += [_branch(query, tenant=tenant, states=[state], hint=_FINAL) for state in final]
    return branches or [_branch(query, tenant=None, states=final)]


def _branch(
    query: JobQuery, *, tenant: str | None, states: list[str], hint: str | None = None
) -> tuple[str, list[Any]]:
    conditions, values = _bounds(query)
    if tenant is not None:
        conditions.append("tenant = ?")
        values.append(tenant)
    if query.agent is not None:
        conditions.append("agent = ?")
        values.append(query.agent)
    if states:
        conditions.append(f"state IN ({', '.join('?' * len(states))})")
        values += states
    if hint is not None:
        # The partial index is only taken where its own condition is written out.
        conditions.append(hint)
    # Left to itself, the planner may prefer the index of the tenant and walk over all its jobs.
    source = "jobs"
    if hint is IS_LIVE:
        source = "jobs INDEXED BY jobs_live"
    elif hint is _FINAL:
        source = f"jobs INDEXED BY {'jobs_ended' if query.agent is None else 'jobs_ended_by_agent'}"
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return (
        f"SELECT {SUMMARY_COLUMNS} FROM {source}{where} ORDER BY id DESC LIMIT ?",
        [*values, query.limit],
    )


def _bounds(query: JobQuery) -> tuple[list[str], list[Any]]:
    """Bound the ids: they carry the moment of creation, so time needs no index of its own."""
    conditions: list[str] = []
    values: list[Any] = []
    if query.before_id is not None:
        conditions.append("id < ?")
        values.append(query.before_id)
    if query.created_after_ms is not None:
        conditions.append("id >= ?")
        values.append(lowest_id_at(query.created_after_ms + 1))
    if query.created_before_ms is not None:
        conditions.append("id < ?")
        values.append(lowest_id_at(query.created_before_ms))
    return conditions, values


def read_events(
    connection: sqlite3.Connection, after: int, through: int | None, limit: int, only: EventFilter
) -> EventPage:
    """Read up to `limit` matching events; a sparse filter gives up a page after a bounded scan."""
    if only.job_id is not None:
        return _read_job_events(connection, after, through, limit, only)
    scan = limit * _SCAN_FACTOR
    rows = connection.execute(
        f"SELECT {EVENT_COLUMNS} FROM events WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
        (after, _through(through), scan),
    )
    events: list[Event] = []
    read_through, seen = after, 0
    for row in rows:
        seen += 1
        event = to_event(row)
        read_through = event.id
        if only.admits(event):
            events.append(event)
            if len(events) == limit:
                return EventPage(events, read_through, has_more=True)
    if seen == scan:
        return EventPage(events, read_through, has_more=True)
    return EventPage(events, max(read_through, through or 0), has_more=False)


def _read_job_events(
    connection: sqlite3.Connection, after: int, through: int | None, limit: int, only: EventFilter
) -> EventPage:
    types = sorted(only.types)
    condition = f" AND type IN ({', '.join('?' * len(types))})" if types else ""
    rows = connection.execute(
        f"SELECT {EVENT_COLUMNS} FROM events"
        f" WHERE job_id = ? AND id > ? AND id <= ?{condition} ORDER BY id LIMIT ?",
        [only.job_id, after, _through(through), *types, limit + 1],
    ).fetchall()
    events = [to_event(row) for row in rows[:limit]]
    has_more = len(rows) > limit
    read_through = events[-1].id if has_more else max(through or 0, events[-1].id if events else after)
    return EventPage([event for event in events if only.admits(event)], read_through, has_more)


def _through(through: int | None) -> int:
    return (1 << 63) - 1 if through is None else through


def read_counts(connection: sqlite3.Connection) -> list[tuple[str, str, JobState, int]]:
    rows = connection.execute("SELECT tenant, agent, state, jobs FROM job_counts")
    return [(tenant, agent, JobState(state), jobs) for tenant, agent, state, jobs in rows]
