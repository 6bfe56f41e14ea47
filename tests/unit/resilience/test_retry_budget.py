"""Retries stay a small share of the calls, over any 10 seconds and in all."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import FakeClock

from airboss.domain.provider_policies import RetryPolicy
from airboss.resilience.retry_budget import RetryBudget

POLICY = RetryPolicy(
    max_attempts=3, base_seconds=0.5, cap_seconds=20.0, budget_ratio=0.1, budget_floor_per_10_seconds=3.0
)


def spend_all(budget: RetryBudget) -> int:
    count = 0
    while budget.try_spend():
        count += 1
    return count


@pytest.mark.parametrize(
    ("calls", "ratio", "floor", "expected"),
    [
        (0, 0.1, 3, 3),
        (9, 0.1, 3, 3),
        (10, 0.1, 3, 4),
        (100, 0.1, 3, 13),
        (100, 0.1, 0, 10),
        (100, 0.29, 0, 29),
        (30, 0.1, 0, 3),
        (1000, 0.0, 3, 3),
        (0, 0.1, 0, 0),
        (10, 0.0, 0.5, 0),
        (5, 0.1, 0.5, 1),
        (10, 2.0, 0, 20),
    ],
)
def test_a_share_of_the_calls_and_the_floor(calls: int, ratio: float, floor: float, expected: int) -> None:
    budget = RetryBudget(replace(POLICY, budget_ratio=ratio, budget_floor_per_10_seconds=floor), FakeClock())
    for _ in range(calls):
        budget.record_call()
    assert spend_all(budget) == expected


def test_both_slide_out_of_the_window_after_10_seconds() -> None:
    clock = FakeClock()
    budget = RetryBudget(POLICY, clock)
    for _ in range(100):
        budget.record_call()
    assert spend_all(budget) == 13
    clock.advance(9.75)
    assert spend_all(budget) == 0
    clock.advance(0.25)
    assert spend_all(budget) == 3


def test_what_is_old_is_not_kept() -> None:
    clock = FakeClock()
    budget = RetryBudget(POLICY, clock)
    for _ in range(1000):
        budget.record_call()
        clock.advance(1)
    assert len(budget._calls) == 10


steps = st.lists(
    st.one_of(st.sampled_from(["call", "retry"]), st.integers(0, 48).map(lambda n: n / 4)), max_size=200
)


@given(steps, st.integers(0, 20), st.integers(0, 8))
def test_it_is_never_overdrawn_and_never_mean(
    steps: list[str | float], ratio_tenths: int, floor_halves: int
) -> None:
    clock = FakeClock()
    ratio, floor = Fraction(ratio_tenths, 10), Fraction(floor_halves, 2)
    policy = replace(POLICY, budget_ratio=float(ratio), budget_floor_per_10_seconds=float(floor))
    budget = RetryBudget(policy, clock)
    calls: list[float] = []
    retries: list[float] = []
    for step in steps:
        now = clock.monotonic()
        if step == "call":
            budget.record_call()
            calls.append(now)
        elif step == "retry":
            recent_calls = sum(now - 10 < moment for moment in calls)
            recent_retries = sum(now - 10 < moment for moment in retries)
            is_earned = recent_retries + 1 <= ratio * recent_calls + floor
            assert budget.try_spend() is is_earned
            if is_earned:
                retries.append(now)
        else:
            assert isinstance(step, float)
            clock.advance(step)
    # A call's share is not spent a second time once the retries that it paid for have left the window.
    windows = Fraction(clock.monotonic() - 1000.0) / 10 + 1
    assert len(retries) <= ratio * len(calls) + floor * windows
