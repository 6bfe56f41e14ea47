"""Removing what is older than its retention, a bounded part at a time."""

import sqlite3

from airboss.domain import lifecycle
from airboss.domain.identifiers import lowest_id_at
from airboss.domain.states import JobState
from airboss.ports.store import Cutoffs, PruneReport
from airboss.storage.sqlite import audit
from airboss.storage.sqlite.writer import Transaction

_OLD_JOBS = (
    "SELECT id, tenant, agent, state, attempt, correlation_id FROM jobs"
    " WHERE id < ? AND finished_at_ms < ? ORDER BY id LIMIT ?"
)
PRUNED_THROUGH = "events_pruned_through"


def prune(transaction: Transaction, cutoffs: Cutoffs, now_ms: int, limit: int) -> PruneReport:
    connection = transaction.connection
    jobs = _prune_jobs(transaction, cutoffs.jobs_before_ms, now_ms, limit)
    events = _prune_events(connection, cutoffs.events_before_ms, limit)
    keys = connection.execute(
        "DELETE FROM idempotency_keys WHERE (tenant, key) IN"
        " (SELECT tenant, key FROM idempotency_keys WHERE created_at_ms < ? LIMIT ?)",
        (cutoffs.keys_before_ms, limit),
    ).rowcount
    entries = audit.prune(connection, cutoffs.audit_before_ms, limit)
    counts = (jobs, events, keys, entries)
    return PruneReport(*counts, more=limit in counts)


def _prune_jobs(transaction: Transaction, before_ms: int, now_ms: int, limit: int) -> int:
    rows = transaction.connection.execute(_OLD_JOBS, (lowest_id_at(before_ms), before_ms, limit)).fetchall()
    for job_id, tenant, agent, state, attempt, correlation_id in rows:
        transaction.connection.execute("DELETE FROM jobs WHERE id = ?", (job_id,))
        transaction.count(tenant, agent, JobState(state), -1)
        transaction.record(lifecycle.pruned(job_id, agent, tenant, attempt, correlation_id, now_ms))
    return len(rows)


def _prune_events(connection: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """Remove a prefix of the log: times may go back with the clock, ids do not."""
    rows = connection.execute("SELECT id, time_ms FROM events ORDER BY id LIMIT ?", (limit,)).fetchall()
    through = None
    count = 0
    for event_id, time_ms in rows:
        if time_ms >= before_ms:
            break
        through, count = event_id, count + 1
    if through is not None:
        connection.execute("DELETE FROM events WHERE id <= ?", (through,))
        connection.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (PRUNED_THROUGH, str(through)),
        )
    return count
