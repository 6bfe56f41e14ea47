"""Moments as whole milliseconds since 1970 in UTC, and their one written form (RFC 3339)."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def rfc3339(moment_ms: int) -> str:
    """Write a moment in milliseconds as RFC 3339 in UTC with `Z`."""
    moment = _EPOCH + timedelta(milliseconds=moment_ms)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def to_ms(moment: datetime) -> int:
    """Return an aware datetime in whole milliseconds since 1970, cut and not rounded."""
    return (moment - _EPOCH) // _MILLISECOND
