"""Moments and durations as people read them."""

from datetime import UTC, datetime

import pytest

from airboss.cli import times

_NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (None, ""),
        ("2026-11-22T12:00:00.400Z", "now"),
        ("2026-11-22T11:59:59.600Z", "now"),
        ("2026-11-22T11:59:18.000Z", "42s ago"),
        ("2026-11-22T11:00:01.000Z", "59m ago"),
        ("2026-11-22T09:00:00.000Z", "3h ago"),
        ("2026-11-12T12:00:00.000Z", "10d ago"),
        ("2026-11-22T12:05:00.000Z", "in 5m"),
    ],
)
def test_relative(moment: str | None, told: str) -> None:
    assert times.relative(moment, _NOW) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.004, "0 s"),
        (0.123, "0.12 s"),
        (3, "3 s"),
        (9.96, "10 s"),
        (42.7, "42 s"),
        (185, "3 min 5 s"),
        (7620, "2 h 7 min"),
    ],
)
def test_duration(seconds: float, told: str) -> None:
    assert times.duration(seconds) == told
