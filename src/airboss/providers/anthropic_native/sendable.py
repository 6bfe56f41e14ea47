"""Arguments of tools, which are JSON that a model wrote, as values that can be sent on."""

import json
from typing import Any

from airboss.domain.text import well_formed


def decode_sendable(text: str) -> Any:
    """Decode JSON without what only passes for it: halves of surrogate pairs, and numbers that are none.

    Raises `ValueError` and `RecursionError` as `json.loads` does.
    """
    value = json.loads(well_formed(text), parse_constant=str)
    if "\\u" not in text:
        return value
    return json.loads(well_formed(json.dumps(value, ensure_ascii=False)))
