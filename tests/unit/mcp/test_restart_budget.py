"""When a server that failed is tried again."""

from tests.support.clock import FakeClock

from airboss.domain.mcp_policies import RestartPolicy
from airboss.mcp.restart_budget import Pause, RestartBudget

POLICY = RestartPolicy(
    first_pause_seconds=1,
    longest_pause_seconds=3,
    failures_to_quarantine=4,
    quarantine_seconds=10,
    longest_quarantine_seconds=30,
    stable_seconds=60,
)


def test_pauses_and_quarantines_double_up_to_their_limits() -> None:
    budget = RestartBudget(POLICY, FakeClock())
    found = [budget.failed() for _ in range(7)]
    assert found == [
        *(Pause(seconds, is_quarantine=False) for seconds in (1, 2, 3)),
        *(Pause(seconds, is_quarantine=True) for seconds in (10, 20, 30, 30)),
    ]


def test_a_short_success_after_a_quarantine_is_followed_by_a_longer_one() -> None:
    clock = FakeClock()
    budget = RestartBudget(POLICY, clock)
    for _ in range(4):
        budget.failed()
    budget.opened()
    clock.advance(59)
    assert budget.failed() == Pause(20, is_quarantine=True)


def test_a_session_that_lasted_makes_everything_forgotten() -> None:
    clock = FakeClock()
    budget = RestartBudget(POLICY, clock)
    for _ in range(5):
        budget.failed()
    budget.opened()
    clock.advance(60)
    assert budget.failed() == Pause(1, is_quarantine=False)


def test_a_person_makes_everything_forgotten() -> None:
    budget = RestartBudget(POLICY, FakeClock())
    for _ in range(5):
        budget.failed()
    budget.forget()
    assert budget.failed() == Pause(1, is_quarantine=False)
