"""The client's side of the MCP conformance suite, run against our connections."""

import pytest
from tests.support.mcp_conformance import run, scenarios

PASS = {"initialize", "tools_call", "sse-retry"}
#: The suite wants a client that lets a server ask its user, and one that gets its tokens by OAuth.
NOT_OFFERED = ("elicitation-", "auth/")


@pytest.mark.timeout(200)
@pytest.mark.parametrize("scenario", sorted(PASS))
def test_a_scenario_of_what_is_offered_passes(scenario: str) -> None:
    outcome = run(scenario)
    assert outcome.is_pass, outcome.complaints


def test_every_other_scenario_is_of_what_is_not_offered() -> None:
    known = scenarios()
    assert set(known) >= PASS
    assert [name for name in known if name not in PASS and not name.startswith(NOT_OFFERED)] == []
