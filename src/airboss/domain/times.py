"""Moments as whole milliseconds since 1970 in UTC, and their one written form (RFC 3339)."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def rfc3339(moment_ms: int) -> str:
    """Write a moment in milliseconds as RFC 3339 in UTC with `Z`."""
    seconds, milliseconds = divmod(moment_ms, 1000)
    return f"{_second(seconds)}.{milliseconds:03d}Z"


@lru_cache(maxsize=64)
def _second(seconds: int) -> str:
    # Nearly all that is written happened a moment ago: composing each anew took five times as long.
    moment = _EPOCH + timedelta(seconds=seconds)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def to_ms(moment: datetime) -> int:
    """Return an aware datetime in whole milliseconds since 1970, cut and not rounded."""
    return (moment - _EPOCH) // _MILLISECOND
