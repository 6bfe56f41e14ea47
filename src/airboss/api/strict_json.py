"""JSON as RFC 8259 has it, and nothing beside: what a lenient parser lets in breaks a store later."""

import math
import re
from typing import Any

import jiter

from airboss.domain.errors import AirbossError

_MAX_DEPTH = 64
#: Only a number with an exponent of three digits, or hundreds of digits, can be out of range.
_MAY_OVERFLOW = re.compile(rb"[eE]\+?\d{3}|\d{300}")


def parse_strict(body: bytes) -> Any:
    """Parse UTF-8 JSON; raises `invalid_json` for NaN, 1e999, lone surrogates, double keys and deep nesting."""
    try:
        value = jiter.from_json(body, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        raise AirbossError("invalid_json", f"the body is not valid JSON: {error}") from None
    if body.count(b"[") + body.count(b"{") > _MAX_DEPTH:
        _require_depth(value, _MAX_DEPTH)
    if _MAY_OVERFLOW.search(body):
        _require_finite(value)
    return value


def _require_depth(value: Any, left: int) -> None:
    if not isinstance(value, dict | list):
        return
    if left == 0:
        raise AirbossError("invalid_json", f"the body is nested more than {_MAX_DEPTH} levels deep")
    for item in value.values() if isinstance(value, dict) else value:
        _require_depth(item, left - 1)


def _require_finite(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise AirbossError("invalid_json", "the body has a number that is out of range")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _require_finite(item)
