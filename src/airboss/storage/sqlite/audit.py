"""The audit: entries are added by the transactions of the changes, and read newest first."""

import json
import sqlite3
from typing import Any

from airboss.domain.audit import Actor, AuditAction, AuditDraft, AuditEntry, AuditOutcome, TargetKind
from airboss.domain.principals import Role
from airboss.ports.audit import AuditQuery
from airboss.storage.json_text import encode_json

_COLUMNS = (
    "time_ms, action, actor, actor_tenant, actor_role, target_kind, target_id, tenant, outcome,"
    " correlation_id, details"
)
INSERT = f"INSERT INTO audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def row(draft: AuditDraft) -> tuple[Any, ...]:
    """Return the values of `INSERT`."""
    actor = draft.actor
    return (
        draft.time_ms,
        draft.action.value,
        actor.subject,
        actor.tenant,
        actor.role and actor.role.value,
        draft.target_kind.value,
        draft.target_id,
        draft.tenant,
        draft.outcome.value,
        draft.correlation_id,
        encode_json(draft.details) if draft.details else "{}",
    )


def read(connection: sqlite3.Connection, query: AuditQuery) -> list[AuditEntry]:
    conditions, values = _conditions(query)
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = f"SELECT id, {_COLUMNS} FROM audit{where} ORDER BY id DESC LIMIT ?"
    return [_entry(row) for row in connection.execute(sql, [*values, query.limit])]


def prune(connection: sqlite3.Connection, before_ms: int, limit: int) -> int:
    """Remove a prefix: times may go back with the clock, ids do not."""
    rows = connection.execute("SELECT id, time_ms FROM audit ORDER BY id LIMIT ?", (limit,)).fetchall()
    through, count = 0, 0
    for entry_id, time_ms in rows:
        if time_ms >= before_ms:
            break
        through, count = entry_id, count + 1
    if count:
        connection.execute("DELETE FROM audit WHERE id <= ?", (through,))
    return count


def _conditions(query: AuditQuery) -> tuple[list[str], list[Any]]:
    wanted = {
        "actor = ?": query.actor,
        "target_kind = ?": query.target_kind and query.target_kind.value,
        "target_id = ?": query.target_id,
        "tenant = ?": query.tenant,
        "time_ms > ?": query.after_ms,
        "time_ms < ?": query.before_ms,
        "id < ?": query.before_id,
    }
    given = {condition: value for condition, value in wanted.items() if value is not None}
    conditions, values = list(given), list(given.values())
    if query.actions:
        conditions.append(f"action IN ({', '.join('?' * len(query.actions))})")
        values += sorted(action.value for action in query.actions)
    return conditions, values


def _entry(row: tuple[Any, ...]) -> AuditEntry:
    subject, actor_tenant, role = row[3:6]
    kind, target_id, tenant, outcome, correlation_id, details = row[6:]
    draft = AuditDraft(
        AuditAction(row[2]),
        row[1],
        Actor(subject, actor_tenant, None if role is None else Role(role)),
        TargetKind(kind),
        target_id,
        tenant,
        AuditOutcome(outcome),
        correlation_id,
        json.loads(details),
    )
    return AuditEntry(row[0], draft)
