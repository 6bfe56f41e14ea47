"""An unknown agent is refused with the nearest name there is."""

import pytest
from tests.support.jobs import new_agent

from airboss.domain.errors import AirbossError
from airboss.manager.registry import AgentRegistry


def test_agents_are_found_by_name_in_the_order_of_the_settings() -> None:
    registry = AgentRegistry([new_agent("beta"), new_agent("alpha")])
    assert [agent.name for agent in registry] == ["beta", "alpha"]
    assert registry.get("alpha").name == "alpha"
    assert "alpha" in registry
    assert registry.find("gamma") is None


def test_a_near_miss_is_told_the_name_that_was_meant() -> None:
    registry = AgentRegistry([new_agent("assistant"), new_agent("offline")])
    with pytest.raises(AirbossError, match="did you mean 'assistant'"):
        registry.get("asistant")
    with pytest.raises(AirbossError, match="there are: assistant, offline") as raised:
        registry.get("x" * 10_000)
    assert raised.value.code == "unknown_agent"
    assert len(raised.value.message) < 200


def test_without_any_agent_it_says_so() -> None:
    with pytest.raises(AirbossError, match="there are: none"):
        AgentRegistry([]).get("alpha")
