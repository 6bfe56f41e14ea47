"""Cursors: opaque to callers, positions to us."""

import base64
from typing import Literal

from airboss.domain.errors import AirbossError


def encode_cursor(kind: Literal["job", "event", "audit"], position: str) -> str:
    return base64.urlsafe_b64encode(f"{kind}:{position}".encode()).decode().rstrip("=")


def decode_cursor(kind: Literal["job", "event", "audit"], cursor: str) -> str:
    """Return the position in a cursor; raises `invalid_parameter` where it is not one of this kind."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except ValueError:
        text = ""
    found, _, position = text.partition(":")
    if found != kind or not position:
        raise AirbossError(
            "invalid_parameter", "cursor: take it as it stood in next_cursor, for the same list"
        )
    return position
