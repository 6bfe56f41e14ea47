"""Every error a caller can meet: its stable code, its type and its HTTP status, in one catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class ErrorType(StrEnum):
    INVALID_REQUEST = "invalid_request"
    AUTHENTICATION = "authentication"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    RATE_LIMIT = "rate_limit"
    OVERLOADED = "overloaded"
    INTERNAL = "internal"
    PROVIDER = "provider"
    TOOL = "tool"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class CodeSpec:
    """What a code means: its type, and its HTTP status where a request can meet it."""

    type: ErrorType
    status: int | None


def _requests(kind: ErrorType, status: int, *codes: str) -> dict[str, CodeSpec]:
    return dict.fromkeys(codes, CodeSpec(kind, status))


def _jobs(kind: ErrorType, *codes: str) -> dict[str, CodeSpec]:
    return dict.fromkeys(codes, CodeSpec(kind, None))


ERROR_CODES: dict[str, CodeSpec] = {
    **_requests(ErrorType.INVALID_REQUEST, 400, "invalid_json"),
    **_requests(ErrorType.INVALID_REQUEST, 408, "receive_timeout"),
    **_requests(ErrorType.INVALID_REQUEST, 413, "body_too_large"),
    **_requests(ErrorType.INVALID_REQUEST, 422, "invalid_body", "invalid_parameter", "idempotency_mismatch"),
    **_requests(ErrorType.AUTHENTICATION, 401, "unauthenticated", "token_expired"),
    **_requests(ErrorType.PERMISSION, 403, "forbidden", "host_not_allowed"),
    **_requests(
        ErrorType.NOT_FOUND,
        404,
        "route_not_found",
        "job_not_found",
        "unknown_agent",
        "unknown_provider",
        "unknown_server",
        "unknown_node",
    ),
    **_requests(ErrorType.NOT_FOUND, 405, "method_not_allowed"),
    **_requests(ErrorType.CONFLICT, 409, "already_final", "not_final", "server_exists"),
    **_requests(ErrorType.RATE_LIMIT, 429, "rate_limited"),
    **_requests(ErrorType.OVERLOADED, 429, "queue_full", "too_many_subscribers"),
    **_requests(ErrorType.OVERLOADED, 503, "draining", "storage_unavailable"),
    **_requests(ErrorType.INTERNAL, 500, "internal"),
    **_jobs(
        ErrorType.PROVIDER,
        "provider_timeout",
        "provider_rate_limited",
        "provider_unavailable",
        "provider_rejected",
        "provider_auth",
        "provider_bad_answer",
        "breaker_open",
    ),
    **_jobs(ErrorType.TOOL, "tool_failed", "mcp_unavailable", "outcome_unknown", "max_turns"),
    **_jobs(ErrorType.TIMEOUT, "job_timeout", "queue_timeout"),
    **_jobs(ErrorType.INTERNAL, "worker_lost", "agent_removed"),
}


class AirbossError(Exception):
    """A refusal that a caller can act on; `retry_after_seconds` is a whole number of 1 or more."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.retry_after_seconds = retry_after_seconds

    @property
    def type(self) -> ErrorType:
        return ERROR_CODES[self.code].type

    @property
    def status(self) -> int:
        return ERROR_CODES[self.code].status or 500


@dataclass(frozen=True, slots=True)
class JobError:
    """Why a job did not complete, as its callers read it."""

    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "type": ERROR_CODES[self.code].type.value,
            "message": self.message,
            "details": dict(self.details),
        }


class JobFailure(Exception):  # noqa: N818 - it ends a job, the server is well
    """Raised inside a run to end its job `failed` with a documented error."""

    def __init__(self, code: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.error = JobError(code, message, details or {})


class StorageUnavailableError(Exception):
    """The store could not read or write; nothing of the operation was kept."""
