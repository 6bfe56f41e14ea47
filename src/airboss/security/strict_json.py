"""JSON as RFC 8259 has it, and nothing beside: what a lenient parser lets in breaks a store or a peer later."""

import math
import re
from typing import Any

import jiter

MAX_DEPTH = 64

#: Only a number with an exponent of three digits, or hundreds of digits, can be out of range.
_MAY_OVERFLOW = re.compile(rb"[eE]\+?\d{3}|\d{300}")
_MAX_REASON_CHARACTERS = 200


class NotStrictJsonError(ValueError):
    """What is wrong with a text, in words that continue its name: "… is nested too deep"."""


def parse_strict_json(text: bytes) -> Any:
    """Parse UTF-8 JSON; raises `NotStrictJsonError`.

    Refused besides what is malformed: NaN, 1e999, lone surrogates, double keys, deep nesting.
    """
    try:
        value = jiter.from_json(text, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError as error:
        # The reason may quote a key, of any length.
        raise NotStrictJsonError(f"is not valid JSON: {str(error)[:_MAX_REASON_CHARACTERS]}") from None
    if text.count(b"[") + text.count(b"{") > MAX_DEPTH:
        _require_depth(value, MAX_DEPTH)
    if _MAY_OVERFLOW.search(text):
        _require_finite(value)
    return value


def is_too_deep(text: bytes) -> bool:
    """Tell whether a text is JSON, or begins like JSON, that is nested more than `MAX_DEPTH` levels deep."""
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    try:
        _require_depth(jiter.from_json(text, partial_mode="on"), MAX_DEPTH)
    except NotStrictJsonError:
        return True
    except ValueError as error:
        return "recursion limit" in str(error)
    return False


def _require_depth(value: Any, left: int) -> None:
    if not isinstance(value, dict | list):
        return
    if left == 0:
        raise NotStrictJsonError(f"is nested more than {MAX_DEPTH} levels deep")
    for item in value.values() if isinstance(value, dict) else value:
        _require_depth(item, left - 1)


def _require_finite(value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise NotStrictJsonError("has a number that is out of range")
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            _require_finite(item)
