"""Between a job and its row."""

import json
from collections.abc import Sequence
from typing import Any

from airboss.domain.errors import JobError
from airboss.domain.events import Event
from airboss.domain.jobs import AnsweredBy, Job, JobSummary, Usage
from airboss.domain.states import JobState
from airboss.storage.json_text import encode_json

_SUMMARY = (
    "id, tenant, owner, agent, agent_revision, state, error, attempt, max_attempts, claim, priority,"
    " created_at_ms, run_at_ms, started_at_ms, finished_at_ms, cancel_requested_at_ms,"
    " max_queue_wait_seconds, timeout_seconds, spent_seconds, usage_requests, usage_input_tokens,"
    " usage_output_tokens, answered_by_provider, answered_by_model, correlation_id, retry_of,"
    " input_preview, metadata"
)
SUMMARY_COLUMNS = _SUMMARY
JOB_COLUMNS = f"{_SUMMARY}, input, output"
#: The condition of the partial index over live jobs, which is only used where it is written out.
IS_LIVE = "state IN ('pending', 'running', 'waiting')"
EVENT_COLUMNS = "id, type, time_ms, node, tenant, job_id, agent, data"
_COLUMN_COUNT = JOB_COLUMNS.count(",") + 1
INSERT_EVENT = f"INSERT INTO events ({EVENT_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
INSERT_JOB = f"INSERT INTO jobs ({JOB_COLUMNS}) VALUES ({', '.join('?' * _COLUMN_COUNT)})"

Row = Sequence[Any]


def encode_error(error: JobError | None) -> str | None:
    if error is None:
        return None
    return encode_json({"code": error.code, "message": error.message, "details": dict(error.details)})


def job_row(job: Job) -> tuple[Any, ...]:
    """Return the values of `JOB_COLUMNS`."""
    by = job.answered_by
    return (
        job.id,
        job.tenant,
        job.owner,
        job.agent,
        job.agent_revision,
        job.state.value,
        encode_error(job.error),
        job.attempt,
        job.max_attempts,
        job.claim,
        job.priority,
        job.created_at_ms,
        job.run_at_ms,
        job.started_at_ms,
        job.finished_at_ms,
        job.cancel_requested_at_ms,
        job.max_queue_wait_seconds,
        job.timeout_seconds,
        job.spent_seconds,
        job.usage.requests,
        job.usage.input_tokens,
        job.usage.output_tokens,
        by and by.provider,
        by and by.model,
        job.correlation_id,
        job.retry_of,
        job.input_preview,
        encode_json(job.metadata) if job.metadata else "{}",
        encode_json(job.input),
        None if job.output is None else encode_json(job.output),
    )


def _summary_fields(row: Row) -> dict[str, Any]:
    error, metadata = row[6], row[27]
    return {
        "id": row[0],
        "tenant": row[1],
        "owner": row[2],
        "agent": row[3],
        "agent_revision": row[4],
        "state": JobState(row[5]),
        "error": None if error is None else JobError(**json.loads(error)),
        "attempt": row[7],
        "max_attempts": row[8],
        "claim": row[9],
        "priority": row[10],
        "created_at_ms": row[11],
        "run_at_ms": row[12],
        "started_at_ms": row[13],
        "finished_at_ms": row[14],
        "cancel_requested_at_ms": row[15],
        "max_queue_wait_seconds": row[16],
        "timeout_seconds": row[17],
        "spent_seconds": row[18],
        "usage": Usage(row[19], row[20], row[21]),
        "answered_by": None if row[22] is None else AnsweredBy(row[22], row[23]),
        "correlation_id": row[24],
        "retry_of": row[25],
        "input_preview": row[26],
        "metadata": {} if metadata == "{}" else json.loads(metadata),
    }


def to_summary(row: Row) -> JobSummary:
    return JobSummary(**_summary_fields(row))


def to_job(row: Row) -> Job:
    output = row[29]
    return Job(
        **_summary_fields(row),
        input=json.loads(row[28]),
        output=None if output is None else json.loads(output),
    )


def event_row(event: Event) -> tuple[Any, ...]:
    """Return the values of `EVENT_COLUMNS`."""
    return (
        event.id,
        event.type,
        event.time_ms,
        event.node,
        event.tenant,
        event.job_id,
        event.agent,
        event.data_json,
    )


def to_event(row: Row) -> Event:
    return Event(*row)
