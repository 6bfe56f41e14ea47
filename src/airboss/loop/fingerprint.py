"""What a call asks, as a hash: a later run that asks the same may take the answer that was kept."""

import hashlib
import json
from typing import Any

from pydantic import BaseModel


def fingerprint(*asked: Any) -> str:
    """Return a hash over JSON-like values and the SDK's models."""
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    raise TypeError(f"{type(value).__name__} has no place in a model's request")
