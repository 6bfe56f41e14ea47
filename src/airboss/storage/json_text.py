"""Callers' values as JSON text, and back."""

import json
from typing import Any

#: NaN and infinity are no JSON: a value that holds them could be written but read by nobody.
encode_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def kept_copy(value: Any) -> Any:
    """Return a value as it would come back from disk; raises what writing it there would raise."""
    text = encode_json(value)
    text.encode()
    return json.loads(text)
