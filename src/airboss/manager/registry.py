"""The agents that can be spawned."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from airboss.domain.agents import AgentSpec
from airboss.domain.errors import AirbossError


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
            raise AirbossError("unknown_agent", self._advice(name), details={"agents": list(self._agents)})
        return agent

    def _advice(self, name: str) -> str:
        near = get_close_matches(name, self._agents, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"there are: {', '.join(self._agents) or 'none'}"
        return f"there is no agent '{name[:64]}'; {hint}"
