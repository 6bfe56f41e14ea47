"""A token in its three parts, with nothing of it proven yet (RFC 7515, compact serialisation)."""

import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import jiter

from airboss.security.tokens.refusals import refused

#: Tokens with hundreds of groups are a few thousand characters long.
MAX_TOKEN_CHARACTERS = 16_384
_SHAPE = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_TO_STANDARD = str.maketrans("-_", "+/")


@dataclass(frozen=True, slots=True)
class CompactToken:
    """What a token says of itself, what it claims, and the bytes that its signature is over."""

    header: Mapping[str, Any]
    payload: bytes
    signed: bytes
    signature: bytes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a token; raises `unauthenticated`. Each token has one spelling: it is known again by its digest."""
        if len(text) > MAX_TOKEN_CHARACTERS:
            raise refused(f"it is longer than {MAX_TOKEN_CHARACTERS} characters")
        found = _SHAPE.fullmatch(text)
        if found is None:
            raise refused("it is no signed JWT of three parts")
        header, payload, signature = (_decoded(part) for part in found.groups())
        signed = text.rpartition(".")[0].encode("ascii")
        return cls(json_object(header, "header"), payload, signed, signature)


def json_object(raw: bytes, what: str) -> dict[str, Any]:
    """Parse a part; raises `unauthenticated`. Of two equal keys each reader would take the one it likes."""
    try:
        value = jiter.from_json(raw, allow_inf_nan=False, catch_duplicate_keys=True)
    except ValueError:
        raise refused(f"its {what} is no JSON object") from None
    if not isinstance(value, dict):
        raise refused(f"its {what} is no JSON object")
    return value


def _decoded(part: str) -> bytes:
    """Undo base64url; raises `unauthenticated` for any but the one spelling that the bytes have."""
    standard = part.translate(_TO_STANDARD).encode("ascii")
    try:
        raw = binascii.a2b_base64(standard + b"=" * (-len(part) % 4), strict_mode=True)
    except binascii.Error:
        raise refused("a part of it is not base64url") from None
    # Bits left over behind the last byte would be a second spelling of the same token.
    if binascii.b2a_base64(raw, newline=False).rstrip(b"=") != standard:
        raise refused("a part of it is not base64url")
    return raw
