"""The agents that can be spawned."""

from collections.abc import Iterable, Iterator

from airboss.domain.agents import AgentSpec
from airboss.domain.errors import AirbossError
from airboss.domain.nearest_name import suggestion


class AgentRegistry:
    """Agents by name, in the order of the settings."""

    def __init__(self, agents: Iterable[AgentSpec]) -> None:
        self._agents = {agent.name: agent for agent in agents}

    def __iter__(self) -> Iterator[AgentSpec]:
        return iter(self._agents.values())

    def __contains__(self, name: str) -> bool:
        return name in self._agents

    def find(self, name: str) -> AgentSpec | None:
        return self._agents.get(name)

    def get(self, name: str) -> AgentSpec:
        """Return an agent; raises `unknown_agent` with the nearest name there is."""
        agent = self._agents.get(name)
        if agent is None:
            raise AirbossError(
                "unknown_agent",
                f"there is no agent '{name[:64]}'; {suggestion(name, self._agents)}",
                details={"agents": list(self._agents)},
            )
        return agent
