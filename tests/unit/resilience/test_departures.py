"""When it is worth coming back is measured, and always a whole number of seconds from 1 to 300."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import FakeClock

from airboss.resilience.departures import DepartureRate


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def rate(clock: FakeClock) -> DepartureRate:
    return DepartureRate(clock)


def test_before_the_first_departure_it_is_as_long_as_nothing_has_left(
    rate: DepartureRate, clock: FakeClock
) -> None:
    assert rate.retry_after_seconds() == 1
    clock.advance(40)
    assert rate.retry_after_seconds() == 40


@pytest.mark.parametrize(("every_seconds", "expected"), [(0.1, 1), (4.0, 4), (20.0, 20)])
def test_it_is_the_mean_time_between_departures(
    rate: DepartureRate, clock: FakeClock, every_seconds: float, expected: int
) -> None:
    for _ in range(100):
        rate.record()
        clock.advance(every_seconds)
    assert rate.retry_after_seconds() == expected


def test_a_burst_at_the_start_does_not_promise_its_pace_while_nothing_leaves(
    rate: DepartureRate, clock: FakeClock
) -> None:
    """The first jobs find free workers; those behind them wait for the first to end."""
    clock.advance(2)
    for _ in range(4):
        rate.record()
    clock.advance(20)
    assert rate.retry_after_seconds() == 20
    rate.record()
    assert rate.retry_after_seconds() <= 5


def test_old_departures_do_not_count(rate: DepartureRate, clock: FakeClock) -> None:
    for _ in range(1000):
        rate.record()
    clock.advance(100)
    rate.record()
    clock.advance(30)
    assert rate.retry_after_seconds() == 30


def test_after_a_silent_minute_it_is_as_long_as_the_silence_however_often_it_is_asked(
    rate: DepartureRate, clock: FakeClock
) -> None:
    clock.advance(10_000)
    rate.record()
    clock.advance(90)
    assert [rate.retry_after_seconds() for _ in range(3)] == [90, 90, 90]


@given(st.lists(st.one_of(st.none(), st.floats(0, 1000)), max_size=50))
def test_it_is_never_out_of_bounds(steps: list[float | None]) -> None:
    clock = FakeClock()
    rate = DepartureRate(clock)
    for step in steps:
        if step is None:
            rate.record()
        else:
            clock.advance(step)
        assert 1 <= rate.retry_after_seconds() <= 300
        assert isinstance(rate.retry_after_seconds(), int)
