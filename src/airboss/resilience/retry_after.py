"""What a provider says about when to come back: `Retry-After` and `retry-after-ms`."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

#: About 31 years: longer than anyone waits, and still a number that can be rounded and written as JSON.
MAX_SECONDS = 1e9

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_ZONE = r"(?:GMT|UTC|[+-]0000)"
# RFC 9110, 5.6.7: the form in use, and the two obsolete ones that must still be understood.
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE | re.ASCII)
    for pattern in (
        rf"[a-z]{{3}}, (?P<day>[0-9]{{1,2}}) (?P<month>[a-z]{{3}}) (?P<year>[0-9]{{4}}) {_TIME} {_ZONE}",
        rf"[a-z]{{6,9}}, (?P<day>[0-9]{{2}})-(?P<month>[a-z]{{3}})-(?P<year>[0-9]{{2}}) {_TIME} {_ZONE}",
        rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})",
    )
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_SHORT_YEARS = 100
_LEAP_SECOND = 60
_BLANKS = " \t"


def parse_retry_after(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Return the seconds to wait, 0 to `MAX_SECONDS`, or None where nothing of sense is said.

    The keys must be lower case or the mapping blind to case. `retry-after-ms` is the more exact and goes
    first; a date is counted from `now_ms`, by this machine's clock.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return min(MAX_SECONDS, milliseconds / 1000)
    text = headers.get("retry-after", "")
    seconds = _number(text)
    if seconds is None and (date := _date(text, now_ms)) is not None:
        seconds = date - now_ms / 1000
    return None if seconds is None else min(MAX_SECONDS, max(0.0, seconds))


def _number(text: str) -> float | None:
    text = text.strip(_BLANKS)
    return float(text) if _NUMBER.fullmatch(text) else None


def _date(text: str, now_ms: int) -> float | None:
    """Return seconds since 1970; the name of the weekday is not compared with the date."""
    for pattern in _DATES:
        if (match := pattern.fullmatch(text.strip(_BLANKS))) is not None:
            return _timestamp(match.groupdict(), now_ms)
    return None


def _timestamp(parts: Mapping[str, str], now_ms: int) -> float | None:
    second = int(parts["second"])
    if second > _LEAP_SECOND:
        return None
    try:
        minute = datetime(
            _year(parts["year"], now_ms),
            _MONTHS.index(parts["month"].lower()) + 1,
            int(parts["day"]),
            int(parts["hour"]),
            int(parts["minute"]),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    return minute.timestamp() + second


def _year(digits: str, now_ms: int) -> int:
    year = int(digits)
    if len(digits) > len("94"):
        return year
    this_year = datetime.fromtimestamp(now_ms / 1000, UTC).year
    year += this_year - this_year % _SHORT_YEARS
    # RFC 9110, 5.6.7: what seems more than 50 years ahead is in the past.
    return year - _SHORT_YEARS if year > this_year + 50 else year
