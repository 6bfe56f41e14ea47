"""The journal of runs: entries by job and place."""

import sqlite3
from collections.abc import Sequence

from airboss.domain.events import EventDraft
from airboss.domain.jobs import Usage
from airboss.domain.journal import EntryKind, JournalEntry, JournalKey
from airboss.storage.sqlite.writer import Transaction

_KEEP = (
    "INSERT INTO journal (job_id, kind, turn, call_index, request_hash, answer) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (job_id, kind, turn, call_index)"
    " DO UPDATE SET request_hash = excluded.request_hash, answer = excluded.answer"
)
_SPEND = (
    "UPDATE jobs SET usage_requests = usage_requests + ?, usage_input_tokens = usage_input_tokens + ?,"
    " usage_output_tokens = usage_output_tokens + ?, claim_seconds = ? WHERE id = ? AND claim = ? AND state = 'running'"
)
_SELECT = "SELECT kind, turn, call_index, request_hash, answer FROM journal WHERE job_id = ?"
_STEPS = "SELECT count(*) FROM journal WHERE job_id = ? AND kind = 'model' AND answer IS NOT NULL"


def record(
    transaction: Transaction,
    entry: JournalEntry,
    drafts: Sequence[EventDraft],
    usage: Usage,
    ran_seconds: float,
    job_id: str,
    claim: int,
) -> bool:
    spent = (usage.requests, usage.input_tokens, usage.output_tokens, ran_seconds)
    # The one statement also tells whether the claim is held.
    if transaction.connection.execute(_SPEND, (*spent, job_id, claim)).rowcount != 1:
        return False
    key = entry.key
    row = (job_id, key.kind.value, key.turn, key.index, entry.request_hash, entry.answer)
    transaction.connection.execute(_KEEP, row)
    for draft in drafts:
        transaction.record(draft)
    return True


def read(connection: sqlite3.Connection, job_id: str) -> list[JournalEntry]:
    return [
        JournalEntry(JournalKey(EntryKind(kind), turn, index), request_hash, answer)
        for kind, turn, index, request_hash, answer in connection.execute(_SELECT, (job_id,))
    ]


def answered_steps(connection: sqlite3.Connection, job_id: str) -> int:
    (steps,) = connection.execute(_STEPS, (job_id,)).fetchone()
    return int(steps)


def forget(transaction: Transaction, job_id: str, from_turn: int, claim: int) -> None:
    transaction.connection.execute(
        "DELETE FROM journal WHERE job_id = ? AND turn >= ?"
        " AND EXISTS (SELECT 1 FROM jobs WHERE id = ? AND claim = ? AND state = 'running')",
        (job_id, from_turn, job_id, claim),
    )
