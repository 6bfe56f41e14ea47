"""JSON answers, encoded once."""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response


def json_response(document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(
        to_json(document), status_code=status, headers=dict(headers or {}), media_type="application/json"
    )
