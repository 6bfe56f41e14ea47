"""Waits double under their jitter, and what a provider asks for is waited for, or not at all."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airboss.domain.provider_policies import RetryPolicy
from airboss.resilience.retry_after import MAX_SECONDS
from airboss.resilience.retry_wait import RetryWait

POLICY = RetryPolicy(
    max_attempts=3, base_seconds=0.5, cap_seconds=20.0, budget_ratio=0.1, budget_floor_per_10_seconds=3.0
)
ALMOST_ONE = 1 - 2**-53


@pytest.mark.parametrize(
    ("attempts", "left_seconds", "ceiling"),
    [
        (1, 180.0, 0.5),
        (2, 180.0, 1.0),
        (3, 180.0, 2.0),
        (6, 180.0, 16.0),
        (7, 180.0, 20.0),
        (10**6, 180.0, 20.0),
        (7, 3.0, 3.0),
        (7, 0.0, 0.0),
        (7, -1.0, 0.0),
        (0, 180.0, 0.5),
    ],
)
def test_the_ceiling_doubles_up_to_the_cap_and_the_time_left(
    attempts: int, left_seconds: float, ceiling: float
) -> None:
    for unit in (0.0, 0.5, ALMOST_ONE):
        wait = RetryWait(POLICY, lambda unit=unit: unit)  # type: ignore[misc]
        assert wait.seconds(attempts, None, left_seconds) == pytest.approx(unit * ceiling)


def test_full_jitter_is_spread_over_the_whole_range() -> None:
    wait = RetryWait(POLICY, random.Random(7).random)
    waits = [wait.seconds(3, None, 180.0) for _ in range(4000)]
    quarters = [sum(n / 2 <= seconds < (n + 1) / 2 for seconds in waits) for n in range(4)]
    assert sum(quarters) == 4000
    assert all(900 < quarter < 1100 for quarter in quarters)


@pytest.mark.parametrize(
    ("retry_after_seconds", "left_seconds", "is_worth_it"),
    [
        (None, 180.0, True),
        (None, 0.01, True),
        (None, 0.0, False),
        (None, -1.0, False),
        (0.0, 180.0, True),
        (0.0, 0.0, False),
        (5.0, 180.0, True),
        (20.0, 180.0, True),
        (20.001, 180.0, False),
        (5.0, 5.001, True),
        (5.0, 5.0, False),
        (5.0, 4.0, False),
        (MAX_SECONDS, 180.0, False),
    ],
)
def test_a_retry_after_must_fit_the_cap_and_the_time_left(
    retry_after_seconds: float | None, left_seconds: float, is_worth_it: bool
) -> None:
    wait = RetryWait(POLICY, lambda: 0.5)
    assert wait.is_worth_it(retry_after_seconds, left_seconds) is is_worth_it


@pytest.mark.parametrize("seconds", [0.001, 1.0, 7.5, 20.0])
def test_a_retry_after_is_waited_for_exactly(seconds: float) -> None:
    wait = RetryWait(POLICY, lambda: pytest.fail("no jitter on what was asked for"))
    assert wait.seconds(1, seconds, 180.0) == seconds


def test_a_retry_after_of_zero_is_no_hint() -> None:
    wait = RetryWait(POLICY, lambda: 0.5)
    assert wait.seconds(2, 0.0, 180.0) == wait.seconds(2, None, 180.0) == 0.5


@given(
    st.floats(1e-9, 1e9),
    st.floats(1e-9, 1e9),
    st.integers(1, 10**9),
    st.none() | st.floats(0, MAX_SECONDS),
    st.floats(-1e9, 1e9),
    st.floats(0, 1, exclude_max=True),
)
def test_a_wait_that_is_worth_it_fits_whatever_is_configured(
    base: float, cap: float, attempts: int, retry_after: float | None, left: float, unit: float
) -> None:
    wait = RetryWait(replace(POLICY, base_seconds=base, cap_seconds=cap), lambda: unit)
    if wait.is_worth_it(retry_after, left):
        seconds = wait.seconds(attempts, retry_after, left)
        assert (retry_after or 0.0) <= seconds <= min(cap, left)
