"""Jobs as the API takes and shows them."""

import json
import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictInt,
    field_validator,
)

from airboss.domain.jobs import (
    DEFAULT_PRIORITY,
    MAX_METADATA_BYTES,
    MAX_PRIORITY,
    MIN_PRIORITY,
    Job,
    JobSummary,
)
from airboss.domain.states import JobState
from airboss.domain.times import rfc3339, to_ms
from airboss.manager.requests import JobView, SpawnRequest, SummaryView

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
MAX_SECONDS = 366 * 24 * 3600.0
_Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False, strict=True)]
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)


def _require_rfc3339(value: object) -> object:
    # The parser behind takes a bare number for seconds since 1970.
    if value is not None and not (isinstance(value, str) and _RFC_3339.match(value)):
        raise ValueError("must be an RFC 3339 moment, like 2026-11-22T06:00:00Z")
    return value


#: A moment as callers write it, with its offset.
def _require_writable(moment: datetime) -> datetime:
    """Refuse a moment that has no year of four digits in UTC: it could be kept, and never be shown."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None


Moment = Annotated[AwareDatetime, BeforeValidator(_require_rfc3339), AfterValidator(_require_writable)]

JOB_EXAMPLE: dict[str, Any] = {
    "id": "019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a",
    "agent": "offline",
    "agent_revision": "6c1b0a2f9d3e",
    "state": "completed",
    "input": "What do the docs say about cancel?",
    "output": "Offline planner (rules, not a language model). …",
    "error": None,
    "attempt": 1,
    "max_attempts": 3,
    "priority": 5,
    "queue_position": None,
    "run_at": None,
    "max_queue_wait_seconds": None,
    "created_at": "2026-11-21T18:48:00.000Z",
    "started_at": "2026-11-21T18:48:00.004Z",
    "finished_at": "2026-11-21T18:48:00.120Z",
    "timeout_seconds": 300.0,
    "cancel_requested_at": None,
    "usage": {"requests": 3, "input_tokens": 0, "output_tokens": 0},
    "answered_by": {"provider": "offline", "model": "planner"},
    "tenant": "default",
    "owner": "local",
    "correlation_id": "b1946ac92492d234",
    "metadata": {},
    "retry_of": None,
    "links": {
        "self": "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a",
        "events": "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a/events",
        "cancel": "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a/cancel",
    },
}
SUMMARY_EXAMPLE: dict[str, Any] = {
    **{key: value for key, value in JOB_EXAMPLE.items() if key not in ("input", "output")},
    "input_preview": "What do the docs say about cancel?",
}


class SpawnBody(BaseModel):
    """A job to spawn."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"agent": "offline", "input": "What do the docs say about cancel?"},
                {
                    "agent": "assistant",
                    "input": {"question": "What changed?", "since": "2026-11-01"},
                    "timeout_seconds": 60,
                    "priority": 7,
                    "max_queue_wait_seconds": 30,
                    "run_at": "2026-11-22T06:00:00Z",
                    "metadata": {"ticket": "A-17"},
                },
            ]
        },
    )

    agent: Annotated[str, Field(min_length=1, max_length=64, strict=True, description="An agent's name.")]
    input: JsonValue = Field(description="What the agent is asked: text, or JSON.")
    timeout_seconds: _Seconds | None = Field(
        None, description="Running time in seconds, summed over attempts; null: the agent's own."
    )
    priority: Annotated[StrictInt, Field(ge=MIN_PRIORITY, le=MAX_PRIORITY)] = DEFAULT_PRIORITY
    max_queue_wait_seconds: _Seconds | None = Field(
        None, description="End as timed_out when not started after so many seconds of being due."
    )
    run_at: Moment | None = Field(None, description="Not before this moment (RFC 3339).")
    metadata: dict[str, JsonValue] = Field(
        default_factory=dict, description="Kept with the job; at most 16 KB as JSON."
    )

    @field_validator("input")
    @classmethod
    def _require_input(cls, value: JsonValue) -> JsonValue:
        if value is None:
            raise ValueError("must be text or JSON, not null")
        return value

    @field_validator("metadata")
    @classmethod
    def _bound_metadata(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if len(_encode(value).encode()) > MAX_METADATA_BYTES:
            raise ValueError(f"must be at most {MAX_METADATA_BYTES} bytes as JSON")
        return value

    def to_request(self) -> SpawnRequest:
        return SpawnRequest(
            agent=self.agent,
            input=self.input,
            timeout_seconds=self.timeout_seconds,
            priority=self.priority,
            max_queue_wait_seconds=self.max_queue_wait_seconds,
            run_at_ms=moment_ms(self.run_at),
            metadata=self.metadata,
        )


class ErrorInJob(BaseModel):
    code: str
    type: str
    message: str
    details: dict[str, Any]


class UsageDocument(BaseModel):
    requests: int
    input_tokens: int
    output_tokens: int


class AnsweredByDocument(BaseModel):
    provider: str
    model: str


class JobLinks(BaseModel):
    self: str
    events: str
    cancel: str


class _JobFields(BaseModel):
    id: str
    agent: str
    agent_revision: str
    state: JobState
    error: ErrorInJob | None
    attempt: int
    max_attempts: int
    priority: int
    queue_position: int | None
    run_at: datetime | None
    max_queue_wait_seconds: float | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    timeout_seconds: float
    cancel_requested_at: datetime | None
    usage: UsageDocument
    answered_by: AnsweredByDocument | None
    tenant: str
    owner: str
    correlation_id: str
    metadata: dict[str, Any]
    retry_of: str | None
    links: JobLinks


class JobDocument(_JobFields):
    """A job."""

    model_config = ConfigDict(json_schema_extra={"examples": [JOB_EXAMPLE]})

    input: Any
    output: Any


class JobSummaryDocument(_JobFields):
    """A job in a list."""

    model_config = ConfigDict(json_schema_extra={"examples": [SUMMARY_EXAMPLE]})

    input_preview: str


class JobPage(BaseModel):
    """A page of jobs, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"data": [SUMMARY_EXAMPLE], "next_cursor": None, "has_more": False}]}
    )

    data: list[JobSummaryDocument]
    next_cursor: str | None
    has_more: bool


def job_document(view: JobView) -> dict[str, Any]:
    job: Job = view.job
    return {**_fields(job, view.queue_position), "input": job.input, "output": job.output}


def summary_document(view: SummaryView) -> dict[str, Any]:
    return {**_fields(view.job, view.queue_position), "input_preview": view.job.input_preview}


def _fields(job: JobSummary, queue_position: int | None) -> dict[str, Any]:
    path = f"/v1/jobs/{job.id}"
    return {
        "id": job.id,
        "agent": job.agent,
        "agent_revision": job.agent_revision,
        "state": job.state.value,
        "error": job.error and job.error.to_dict(),
        "attempt": job.attempt,
        "max_attempts": job.max_attempts,
        "priority": job.priority,
        "queue_position": queue_position,
        "run_at": _moment(job.run_at_ms),
        "max_queue_wait_seconds": job.max_queue_wait_seconds,
        "created_at": rfc3339(job.created_at_ms),
        "started_at": _moment(job.started_at_ms),
        "finished_at": _moment(job.finished_at_ms),
        "timeout_seconds": job.timeout_seconds,
        "cancel_requested_at": _moment(job.cancel_requested_at_ms),
        "usage": job.usage.to_dict(),
        "answered_by": job.answered_by and job.answered_by.to_dict(),
        "tenant": job.tenant,
        "owner": job.owner,
        "correlation_id": job.correlation_id,
        "metadata": job.metadata,
        "retry_of": job.retry_of,
        "links": {"self": path, "events": f"{path}/events", "cancel": f"{path}/cancel"},
    }


def _moment(moment_ms: int | None) -> str | None:
    return None if moment_ms is None else rfc3339(moment_ms)


def moment_ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_ms(moment)
