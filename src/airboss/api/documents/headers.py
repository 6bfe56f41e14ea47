"""Headers of answers, as the OpenAPI document tells them."""

from typing import Any

_SECONDS = {"type": "integer", "minimum": 1}
_COUNT = {"type": "integer", "minimum": 0}
_TEXT = {"type": "string"}
_RATE_WORDS = "of the caller's rate, where the settings have one"
#: Name: what it says, its schema, an example, and whether an answer that names it always carries it.
_HEADERS: dict[str, tuple[str, dict[str, Any], Any, bool]] = {
    "X-Request-ID": (
        "The caller's, or one that was made: `correlation_id` in log lines and events.",
        {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,128}$"},
        "b1946ac92492d234",
        True,
    ),
    "Location": (
        "The path of what was made.",
        {"type": "string", "format": "uri-reference"},
        "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a",
        True,
    ),
    "Idempotent-Replayed": (
        "`true` where an `Idempotency-Key` was used before: this is the first job.",
        {"type": "string", "const": "true"},
        "true",
        False,
    ),
    "Preference-Applied": ("Where `Prefer: wait` was taken (RFC 7240).", _TEXT, "wait=30", False),
    "WWW-Authenticate": ("How to authenticate.", {"type": "string", "const": "Bearer"}, "Bearer", True),
    "Retry-After": ("Seconds after which to try again.", _SECONDS, 4, True),
    "RateLimit-Limit": (f"Requests in a window {_RATE_WORDS}.", _COUNT, 600, False),
    "RateLimit-Remaining": (f"Requests left in the window {_RATE_WORDS}.", _COUNT, 599, False),
    "RateLimit-Reset": (f"Seconds until the window {_RATE_WORDS}, begins anew.", _SECONDS, 60, False),
}
REQUEST_HEADERS = ("X-Request-ID",)
RATE_HEADERS = ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")


def header_components() -> dict[str, Any]:
    """Return the headers that `answer_headers` refers to, by name."""
    return {
        name: {"description": description, "required": required, "schema": schema, "example": example}
        for name, (description, schema, example, required) in _HEADERS.items()
    }


def answer_headers(*names: str) -> dict[str, Any]:
    """Return the part of an answer's document that says which headers it carries."""
    for name in names:
        assert name in _HEADERS, name  # noqa: S101 - ours, found by the first test
    return {"headers": {name: {"$ref": f"#/components/headers/{name}"} for name in names}}
