"""The error envelope."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from airboss.api.documents.headers import answer_headers
from airboss.domain.errors import ERROR_CODES

#: Codes whose answers say when to try again.
_RETRIED = frozenset(
    {"rate_limited", "queue_full", "too_many_subscribers", "draining", "storage_unavailable"}
)


class ErrorBody(BaseModel):
    code: str
    type: str
    message: str
    details: dict[str, Any]
    request_id: str


class ErrorDocument(BaseModel):
    """Every error of every route."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "error": {
                        "code": "queue_full",
                        "type": "overloaded",
                        "message": "1000 jobs are pending; try again in 4 s",
                        "details": {"pending": 1000, "capacity": 1000},
                        "request_id": "b1946ac92492d234",
                    }
                }
            ]
        }
    )

    error: ErrorBody


_REFERENCE = f"#/components/schemas/{ErrorDocument.__name__}"


def error_schemas() -> dict[str, Any]:
    """Return the schemas that `error_answers` refers to, by name."""
    schema = ErrorDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), ErrorDocument.__name__: schema}


def error_answers(*codes: str) -> dict[int | str, dict[str, Any]]:
    """Document the errors of a route, by status, with an example for each code."""
    by_status: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        spec = ERROR_CODES[code]
        answer = by_status.setdefault(
            spec.status or 500,
            {
                "description": "",
                # Not as a model: the framework would show it under the media type of the route's own answer.
                "content": {"application/json": {"schema": {"$ref": _REFERENCE}, "examples": {}}},
            },
        )
        if spec.status == 401:  # noqa: PLR2004
            answer |= answer_headers("WWW-Authenticate")
        elif code in _RETRIED:
            answer |= answer_headers("Retry-After")
        answer["description"] = f"{answer['description']}, {code}".strip(", ")
        answer["content"]["application/json"]["examples"][code] = {
            "value": {
                "error": {
                    "code": code,
                    "type": spec.type.value,
                    "message": "…",
                    "details": {},
                    "request_id": "b1946ac92492d234",
                }
            }
        }
    return by_status
