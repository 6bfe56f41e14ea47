"""Bodies as strict JSON."""

from typing import Any

from airboss.domain.errors import AirbossError
from airboss.security.strict_json import NotStrictJsonError, parse_strict_json


def parse_strict(body: bytes) -> Any:
    """Parse UTF-8 JSON; raises `invalid_json` for all that `parse_strict_json` refuses."""
    try:
        return parse_strict_json(body)
    except NotStrictJsonError as error:
        raise AirbossError("invalid_json", f"the body {error}") from None
