"""Moments and durations as people read them."""

from datetime import UTC, datetime

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def now() -> datetime:
    return datetime.now(UTC)


def relative(moment: str | None, now: datetime) -> str:
    """Say how long ago an RFC 3339 moment was, or in how long it will be."""
    if moment is None:
        return ""
    seconds = (now - datetime.fromisoformat(moment)).total_seconds()
    unit_seconds, unit = next((each for each in _UNITS if abs(seconds) >= each[0]), (0, ""))
    if not unit_seconds:
        return "now"
    count = int(abs(seconds) // unit_seconds)
    return f"{count}{unit} ago" if seconds > 0 else f"in {count}{unit}"


def duration(seconds: float) -> str:
    """Say how long something took: `0.12 s`, `42 s`, `3 min 5 s`, `2 h 7 min`."""
    if seconds < 10:  # noqa: PLR2004 - one digit before the point leaves room behind it
        return f"{seconds:.2g} s" if seconds >= 0.01 else "0 s"  # noqa: PLR2004
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def between(start: str | None, end: str | None) -> str:
    """Say how long it was from one RFC 3339 moment to another."""
    if start is None or end is None:
        return ""
    return duration((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())


def still_to_come(moment: str | None) -> str | None:
    """Return a moment of the API where it lies ahead."""
    if moment is None or datetime.fromisoformat(moment) <= now():
        return None
    return moment
