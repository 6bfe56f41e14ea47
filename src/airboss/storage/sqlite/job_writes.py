"""Every change of a job: a compare-and-set, the counts and the event, in one transaction."""

import sqlite3
from collections.abc import Mapping, Sequence

from airboss.domain import audit, lifecycle
from airboss.domain.agents import OnInterrupt
from airboss.domain.audit import Caller
from airboss.domain.events import EventDraft
from airboss.domain.jobs import Job, JobSummary, Outcome
from airboss.domain.states import JobState
from airboss.ports.store import (
    CancelResult,
    CancelVerdict,
    Idempotency,
    IdempotencyMismatchError,
    Recovered,
    Spawned,
    lost_worker,
)
from airboss.storage.json_text import encode_json
from airboss.storage.sqlite import journal
from airboss.storage.sqlite.rows import (
    IS_LIVE,
    JOB_COLUMNS,
    SUMMARY_COLUMNS,
    encode_error,
    to_job,
    to_summary,
)
from airboss.storage.sqlite.writer import Transaction

_SELECT = f"SELECT {JOB_COLUMNS} FROM jobs WHERE id = ?"
_START = (
    "UPDATE jobs SET state = 'running', claim = claim + 1, attempt = attempt + 1, claim_seconds = 0,"
    " started_at_ms = coalesce(started_at_ms, ?)"
    f" WHERE id = ? AND state = 'pending' AND cancel_requested_at_ms IS NULL RETURNING {JOB_COLUMNS}"
)
#: A job that was promised a cancel ends in no other way.
_END = (
    "UPDATE jobs SET state = ?1, output = ?2, error = ?3, finished_at_ms = ?4,"
    " spent_seconds = spent_seconds + ?5, usage_requests = usage_requests + ?6,"
    " usage_input_tokens = usage_input_tokens + ?7, usage_output_tokens = usage_output_tokens + ?8,"
    " answered_by_provider = coalesce(?9, answered_by_provider),"
    " answered_by_model = coalesce(?10, answered_by_model)"
    " WHERE id = ?11 AND claim = ?12 AND state = ?13 AND (cancel_requested_at_ms IS NULL OR ?1 = 'cancelled')"
    f" RETURNING {SUMMARY_COLUMNS}"
)
_HAND_BACK = (
    "UPDATE jobs SET state = 'pending', attempt = attempt - ?, spent_seconds = spent_seconds + ?"
    f" WHERE id = ? AND claim = ? AND state = 'running' RETURNING {JOB_COLUMNS}"
)
_RESCHEDULE = (
    "UPDATE jobs SET state = 'pending', run_at_ms = ?, spent_seconds = spent_seconds + ?,"
    " usage_requests = usage_requests + ?, usage_input_tokens = usage_input_tokens + ?,"
    " usage_output_tokens = usage_output_tokens + ?"
    f" WHERE id = ? AND claim = ? AND state = 'running' RETURNING {JOB_COLUMNS}"
)
_REQUEST_CANCEL = f"UPDATE jobs SET cancel_requested_at_ms = ? WHERE id = ? RETURNING {JOB_COLUMNS}"
_SELECT_KEY = "SELECT body_hash, job_id FROM idempotency_keys WHERE tenant = ? AND key = ?"
_INSERT_KEY = (
    "INSERT INTO idempotency_keys (tenant, key, body_hash, job_id, created_at_ms) VALUES (?, ?, ?, ?, ?)"
)
_SELECT_RUNNING = f"SELECT {JOB_COLUMNS}, claim_seconds FROM jobs WHERE state = 'running' AND {IS_LIVE}"
_SELECT_PENDING = f"SELECT {SUMMARY_COLUMNS} FROM jobs WHERE state = 'pending' AND {IS_LIVE} ORDER BY id"
_HOLDS_CLAIM = "SELECT 1 FROM jobs WHERE id = ? AND claim = ? AND state = 'running'"


def find(connection: sqlite3.Connection, job_id: str) -> Job | None:
    row = connection.execute(_SELECT, (job_id,)).fetchone()
    return None if row is None else to_job(row)


def find_by_key(connection: sqlite3.Connection, tenant: str, idempotency: Idempotency) -> Job | None:
    row = connection.execute(_SELECT_KEY, (tenant, idempotency.key)).fetchone()
    if row is None:
        return None
    if row[0] != idempotency.body_hash:
        raise IdempotencyMismatchError
    return find(connection, row[1])


def spawn(
    transaction: Transaction, job: Job, idempotency: Idempotency | None, caller: Caller | None
) -> Spawned:
    connection = transaction.connection
    if idempotency is not None:
        # The first with this key may be a spawn of the same batch.
        transaction.flush_jobs()
        first = find_by_key(connection, job.tenant, idempotency)
        if first is not None:
            return Spawned(first, replayed=True)
        # A key whose job retention removed may be used again before it is pruned itself.
        connection.execute(
            "DELETE FROM idempotency_keys WHERE tenant = ? AND key = ?", (job.tenant, idempotency.key)
        )
        key_row = (job.tenant, idempotency.key, idempotency.body_hash, job.id, job.created_at_ms)
        connection.execute(_INSERT_KEY, key_row)
    transaction.insert(job)
    transaction.count(job.tenant, job.agent, job.state, +1)
    transaction.record(lifecycle.spawned(job))
    if caller is not None:
        for entry in audit.of_spawn(job, caller):
            transaction.audit(entry)
    return Spawned(job, replayed=False)


def start(transaction: Transaction, job_id: str, now_ms: int) -> Job | None:
    row = transaction.connection.execute(_START, (now_ms, job_id)).fetchone()
    if row is None:
        return None
    job = to_job(row)
    _recount(transaction, job, JobState.PENDING)
    # A first start has nothing to resume, and need not ask.
    resumed_steps = journal.answered_steps(transaction.connection, job_id) if job.claim > 1 else 0
    transaction.record(lifecycle.started(job, now_ms, resumed_steps))
    return job


def finish(
    transaction: Transaction, job_id: str, claim: int, outcome: Outcome, now_ms: int
) -> JobSummary | None:
    ended = _end(transaction, job_id, claim, JobState.RUNNING, outcome, now_ms)
    if ended is None:
        # The claim was lost, or the job was promised a cancel: then this ends it, and nothing else does.
        cancelled = outcome.settled(cancel_requested=True)
        ended = _end(transaction, job_id, claim, JobState.RUNNING, cancelled, now_ms)
    return ended


def end_pending(transaction: Transaction, job_id: str, outcome: Outcome, now_ms: int) -> JobSummary | None:
    before = find(transaction.connection, job_id)
    if before is None or before.state is not JobState.PENDING:
        return None
    return _end_from(transaction, before, outcome, now_ms)


def interrupt(
    transaction: Transaction,
    job_id: str,
    claim: int,
    reason: str,
    ran_seconds: float,
    now_ms: int,
    *,
    attempt_spent: bool = False,
) -> JobSummary | None:
    before = find(transaction.connection, job_id)
    if before is None or before.claim != claim or before.state is not JobState.RUNNING:
        return None
    if before.cancel_requested_at_ms is not None:
        outcome = Outcome(JobState.CANCELLED, reason="cancel_requested", ran_seconds=ran_seconds)
        return _end_from(transaction, before, outcome, now_ms)
    values = (0 if attempt_spent else 1, ran_seconds, job_id, claim)
    row = transaction.connection.execute(_HAND_BACK, values).fetchone()
    job = to_job(row)
    _recount(transaction, job, JobState.RUNNING)
    transaction.record(lifecycle.interrupted(job, now_ms, reason))
    return job


def reschedule(
    transaction: Transaction, job_id: str, claim: int, outcome: Outcome, run_at_ms: int, now_ms: int
) -> JobSummary | None:
    before = find(transaction.connection, job_id)
    if before is None or before.claim != claim or before.state is not JobState.RUNNING:
        return None
    if before.cancel_requested_at_ms is not None or outcome.error is None:
        return _end_from(transaction, before, outcome, now_ms)
    usage = outcome.usage
    spent = (outcome.ran_seconds, usage.requests, usage.input_tokens, usage.output_tokens)
    row = transaction.connection.execute(_RESCHEDULE, (run_at_ms, *spent, job_id, claim)).fetchone()
    job = to_job(row)
    _recount(transaction, job, JobState.RUNNING)
    transaction.record(lifecycle.retry_scheduled(job, now_ms, outcome.error.code))
    return job


def request_cancel(
    transaction: Transaction, job_id: str, tenant: str | None, by: str, now_ms: int, caller: Caller | None
) -> CancelResult | None:
    job = find(transaction.connection, job_id)
    if job is None or (tenant is not None and job.tenant != tenant):
        return None
    if job.state.is_final:
        return CancelResult(CancelVerdict.ALREADY_FINAL, job)
    if job.cancel_requested_at_ms is None:
        if caller is not None:
            transaction.audit(audit.job_cancelled(job, caller, now_ms))
        row = transaction.connection.execute(_REQUEST_CANCEL, (now_ms, job_id)).fetchone()
        job = to_job(row)
        transaction.record(lifecycle.cancel_requested(job, now_ms, by))
    if job.state is JobState.RUNNING:
        return CancelResult(CancelVerdict.STOPPING, job)
    outcome = Outcome(JobState.CANCELLED, reason="cancel_requested")
    _end_from(transaction, job, outcome, now_ms)
    return CancelResult(CancelVerdict.CANCELLED, find(transaction.connection, job_id) or job)


def recover(transaction: Transaction, now_ms: int, policy: Mapping[str, OnInterrupt]) -> Recovered:
    """Take running jobs back: their worker died with the process that held this database."""
    running = [(to_job(row), row[-1]) for row in transaction.connection.execute(_SELECT_RUNNING)]
    ended = 0
    for job, ran_seconds in running:
        on_interrupt = policy.get(job.agent, OnInterrupt.RESUME)
        may_go_on = job.attempt < job.max_attempts and on_interrupt is not OnInterrupt.FAIL
        if not may_go_on and job.cancel_requested_at_ms is None:
            outcome = Outcome(JobState.FAILED, error=lost_worker(job), ran_seconds=ran_seconds)
            _end_from(transaction, job, outcome, now_ms)
            ended += 1
        else:
            if on_interrupt is OnInterrupt.RESTART:
                transaction.drop_journal(job.id)
            interrupt(transaction, job.id, job.claim, "worker_lost", ran_seconds, now_ms, attempt_spent=True)
    pending = [to_summary(row) for row in transaction.connection.execute(_SELECT_PENDING)]
    return Recovered(pending, interrupted=len(running) - ended, ended=ended)


def append(transaction: Transaction, job_id: str, claim: int, drafts: Sequence[EventDraft]) -> bool:
    if transaction.connection.execute(_HOLDS_CLAIM, (job_id, claim)).fetchone() is None:
        return False
    for draft in drafts:
        transaction.record(draft)
    return True


def _end_from(
    transaction: Transaction, before: JobSummary, outcome: Outcome, now_ms: int
) -> JobSummary | None:
    settled = outcome.settled(cancel_requested=before.cancel_requested_at_ms is not None)
    return _end(transaction, before.id, before.claim, before.state, settled, now_ms)


def _end(
    transaction: Transaction, job_id: str, claim: int, before: JobState, outcome: Outcome, now_ms: int
) -> JobSummary | None:
    by = outcome.answered_by
    values = (
        outcome.state.value,
        None if outcome.output is None else encode_json(outcome.output),
        encode_error(outcome.error),
        now_ms,
        outcome.ran_seconds,
        outcome.usage.requests,
        outcome.usage.input_tokens,
        outcome.usage.output_tokens,
        by and by.provider,
        by and by.model,
        job_id,
        claim,
        before.value,
    )
    row = transaction.connection.execute(_END, values).fetchone()
    if row is None:
        return None
    job = to_summary(row)
    transaction.drop_journal(job_id)
    _recount(transaction, job, before)
    transaction.record(lifecycle.ended(job, now_ms, outcome))
    return job


def _recount(transaction: Transaction, job: JobSummary, before: JobState) -> None:
    transaction.count(job.tenant, job.agent, before, -1)
    transaction.count(job.tenant, job.agent, job.state, +1)
