"""What a provider says about when to come back is understood in each form, and nonsense is none."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from airboss.resilience.retry_after import MAX_SECONDS, parse_retry_after

NOW = datetime(2026, 11, 18, 12, 0, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
# Written out, because `strftime` asks the locale.
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("007", 7.0),
        ("120", 120.0),
        ("1.5", 1.5),
        ("0.25", 0.25),
        (" 3 ", 3.0),
        ("\t3", 3.0),
        ("Wed, 18 Nov 2026 12:00:30 GMT", 30.0),
        ("wed, 18 nov 2026 12:00:30 gmt", 30.0),
        ("Wed, 18 Nov 2026 12:00:30 UTC", 30.0),
        ("Wed, 18 Nov 2026 12:00:30 +0000", 30.0),
        ("Wed, 18 Nov 2026 12:00:30 -0000", 30.0),
        ("Mon, 18 Nov 2026 12:00:30 GMT", 30.0),
        ("Fri, 4 Dec 2026 12:00:00 GMT", 16 * 86_400.0),
        ("Wed, 18 Nov 2026 12:00:60 GMT", 60.0),
        ("Wednesday, 18-Nov-26 12:00:30 GMT", 30.0),
        ("Wed Nov 18 12:00:30 2026", 30.0),
        ("Sun Dec  6 12:00:00 2026", 18 * 86_400.0),
        # The three examples of RFC 9110 are one moment, long past.
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 0.0),
        ("Sun Nov  6 08:49:37 1994", 0.0),
        ("Wed, 18 Nov 2026 11:59:59 GMT", 0.0),
        ("Thursday, 01-Jan-77 00:00:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:60 GMT", MAX_SECONDS),
        ("9" * 30, MAX_SECONDS),
        ("9" * 400, MAX_SECONDS),
        ("9" * 100_000, MAX_SECONDS),
        ("1000000001", MAX_SECONDS),
        ("0." + "0" * 100_000 + "1", 0.0),
    ],
)
def test_each_form_of_retry_after(value: str, seconds: float) -> None:
    assert parse_retry_after({"retry-after": value}, NOW_MS) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "soon",
        "-1",
        "+1",
        "1e3",
        "0x10",
        "1_000",
        "1,5",
        ".",
        ".5",
        "5.",
        "1 2",
        "120, 120",
        "10s",
        "nan",
        "inf",
        "Infinity",
        "\u0661\u0662",
        "\u00b2",
        "12\n",
        "\n12",
        "\x00",
        "\udcff",
        "null",
        "{}",
        "2026-11-18T12:00:30Z",
        "Wed, 18 Nov 2026 12:00:30",
        "Wed, 18 Nov 2026 12:00:30 CET",
        "Wed, 18 Nov 2026 12:00:30 +0100",
        "Wed, 18 Foo 2026 12:00:30 GMT",
        "Wed, 31 Feb 2026 12:00:30 GMT",
        "Wed, 00 Nov 2026 12:00:30 GMT",
        "Wed, 18 Nov 0000 12:00:30 GMT",
        "Wed, 18 Nov 2026 24:00:30 GMT",
        "Wed, 18 Nov 2026 12:60:30 GMT",
        "Wed, 18 Nov 2026 12:00:61 GMT",
        "Wednesday, 18-Nov-2026 12:00:30 GMT",
        "Wed Nov   12:00:30 2026",
        "\u017fun, 06 Nov 2050 08:49:37 GMT",
        "Wed, 1\u0668 Nov 2026 12:00:30 GMT",
    ],
)
def test_nonsense_is_none(value: str) -> None:
    assert parse_retry_after({"retry-after": value}, NOW_MS) is None
    assert parse_retry_after({"retry-after-ms": value}, NOW_MS) is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "0.5"}, 0.0005),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after-ms": "garbage", "retry-after": "2"}, 2.0),
        ({"retry-after-ms": "0", "retry-after": "2"}, 0.0),
        ({"retry-after-ms": "9" * 400}, MAX_SECONDS),
        ({"retry-after-ms": "Wed, 18 Nov 2026 12:00:30 GMT"}, None),
    ],
)
def test_milliseconds_go_first(headers: dict[str, str], seconds: float | None) -> None:
    assert parse_retry_after(headers, NOW_MS) == seconds


def test_a_date_is_counted_to_the_millisecond() -> None:
    headers = {"retry-after": "Wed, 18 Nov 2026 12:00:30 GMT"}
    assert parse_retry_after(headers, NOW_MS + 250) == pytest.approx(29.75, abs=1e-6)


@pytest.mark.parametrize(
    ("year_now", "digits", "year"),
    [(2026, "26", 2026), (2026, "76", 2076), (2026, "77", 1977), (2099, "01", 2001), (2051, "00", 2000)],
)
def test_a_year_of_two_digits_is_at_most_fifty_years_ahead(year_now: int, digits: str, year: int) -> None:
    now = datetime(year_now, 1, 1, tzinfo=UTC)
    headers = {"retry-after": f"Friday, 02-Jan-{digits} 00:00:00 GMT"}
    expected = (datetime(year, 1, 2, tzinfo=UTC) - now).total_seconds()
    assert parse_retry_after(headers, int(now.timestamp() * 1000)) == min(MAX_SECONDS, max(0.0, expected))


@given(st.integers(-40 * 365, 30 * 365), st.integers(0, 86_399))
def test_all_three_forms_of_a_date_are_one_moment(days: int, seconds: int) -> None:
    then = NOW + timedelta(days=days, seconds=seconds)
    day, month = DAYS[then.weekday()], MONTHS[then.month - 1]
    time = f"{then:%H:%M:%S}"
    forms = (
        f"{day[:3]}, {then.day:02} {month} {then.year} {time} GMT",
        f"{day}, {then.day:02}-{month}-{then.year % 100:02} {time} GMT",
        f"{day[:3]} {month} {then.day:2} {time} {then.year}",
    )
    expected = max(0.0, (then - NOW).total_seconds())
    assert [parse_retry_after({"retry-after": form}, NOW_MS) for form in forms] == [expected] * 3


@given(
    st.one_of(
        st.text(),
        st.text("0123456789.-+eE \t"),
        st.from_regex(
            r"[A-Z][a-z]{2,8},? [0-9 A-Za-z-]{5,11} [0-9]{2}:[0-9]{2}:[0-9]{2} ?(GMT|[0-9]{4})?",
            fullmatch=True,
        ),
    ),
    st.integers(0, 253_402_300_799_000),
)
@example("9" * 5000, 0)
def test_no_value_is_an_error(value: str, now_ms: int) -> None:
    for header in ("retry-after", "retry-after-ms"):
        seconds = parse_retry_after({header: value}, now_ms)
        assert seconds is None or 0 <= seconds <= MAX_SECONDS
