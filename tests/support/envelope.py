"""What every refusal looks like."""

from collections.abc import Mapping
from typing import Any, Protocol

from airboss.domain.errors import ERROR_CODES


class Answer(Protocol):
    @property
    def status_code(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    def json(self) -> Any: ...


def assert_refused(answer: Answer, code: str) -> dict[str, Any]:
    """Assert that an answer is the error `code` in its envelope with all keys, and return the error."""
    assert answer.headers["content-type"] == "application/json", answer.headers
    error = assert_error_document(answer.json(), answer.headers["x-request-id"])
    assert error["code"] == code, error
    assert answer.status_code == ERROR_CODES[code].status, (answer.status_code, error)
    return error


def assert_error_document(document: Any, request_id: str) -> dict[str, Any]:
    assert set(document) == {"error"}
    error: dict[str, Any] = document["error"]
    assert set(error) == {"code", "type", "message", "details", "request_id"}
    assert error["type"] == ERROR_CODES[error["code"]].type.value
    assert error["message"]
    assert isinstance(error["details"], dict)
    assert error["request_id"] == request_id
    return error
