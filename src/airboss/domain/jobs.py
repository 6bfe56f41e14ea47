"""A job, as it is stored and as its callers know it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airboss.domain.errors import JobError
from airboss.domain.states import JobState

PREVIEW_CHARACTERS = 200
MIN_PRIORITY, DEFAULT_PRIORITY, MAX_PRIORITY = 0, 5, 9
MAX_METADATA_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """What a job spent at its providers."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def plus(self, other: "Usage") -> "Usage":
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
        )

    def to_dict(self) -> dict[str, int]:
        return {
            "requests": self.requests,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
        }


@dataclass(frozen=True, slots=True)
class AnsweredBy:
    provider: str
    model: str

    def to_dict(self) -> dict[str, str]:
        return {"provider": self.provider, "model": self.model}


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """A job without its input and output; moments in milliseconds since 1970 (`_ms`).

    `claim` is the fencing token: it grows each time a worker takes the job, and only the holder of the
    newest one may move it. `attempt` is the budget, which a drain does not spend. `spent_seconds` is the
    running time of the attempts that ended.
    """

    id: str
    tenant: str
    owner: str
    agent: str
    agent_revision: str
    state: JobState
    input_preview: str
    error: JobError | None = None
    attempt: int = 0
    max_attempts: int
    claim: int = 0
    priority: int = DEFAULT_PRIORITY
    created_at_ms: int
    run_at_ms: int | None = None
    started_at_ms: int | None = None
    finished_at_ms: int | None = None
    cancel_requested_at_ms: int | None = None
    max_queue_wait_seconds: float | None = None
    timeout_seconds: float
    spent_seconds: float = 0.0
    usage: Usage = Usage()
    answered_by: AnsweredBy | None = None
    correlation_id: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    retry_of: str | None = None

    @property
    def due_at_ms(self) -> int:
        """When the job may first start: its order in the queue."""
        return self.created_at_ms if self.run_at_ms is None else max(self.run_at_ms, self.created_at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(JobSummary):
    input: Any
    output: Any = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended: a final state with what belongs to it."""

    state: JobState
    output: Any = None
    error: JobError | None = None
    reason: str | None = None
    usage: Usage = Usage()
    answered_by: AnsweredBy | None = None
    ran_seconds: float = 0.0

    def settled(self, *, cancel_requested: bool) -> "Outcome":
        """Return the outcome that stands: after a promise to cancel, a job ends cancelled and nothing else."""
        if not cancel_requested or self.state is JobState.CANCELLED:
            return self
        return Outcome(
            JobState.CANCELLED,
            reason="cancel_requested",
            usage=self.usage,
            answered_by=self.answered_by,
            ran_seconds=self.ran_seconds,
        )


def preview(value: Any) -> str:
    """Return the first characters of a text, or of a value written as JSON."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text[:PREVIEW_CHARACTERS]
