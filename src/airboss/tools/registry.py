"""All tools there are, by name."""

from collections.abc import Iterable, Iterator, Sequence

from airboss.domain.agents import AgentSpec
from airboss.domain.tool_names import GENERIC_MCP_CALL, wire_name
from airboss.ports.tools import Tool


class ToolRegistry:
    """Tools by dotted name; two that would be one on the wire are refused."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        self._tools: dict[str, Tool] = {}
        wire_names: dict[str, str] = {}
        for tool in tools:
            other = wire_names.setdefault(wire_name(tool.name), tool.name)
            if tool.name in self._tools or other != tool.name:
                raise ValueError(f"tools '{other}' and '{tool.name}' have the same name on the wire")
            self._tools[tool.name] = tool

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __contains__(self, name: str) -> bool:
        return name in self._tools

    def names(self) -> tuple[str, ...]:
        return tuple(self._tools)

    def pick(self, names: Iterable[str]) -> list[Tool]:
        """Return the tools of these names, in their order."""
        return [self._tools[name] for name in names]

    async def tools_of(self, agent: AgentSpec) -> Sequence[Tool]:
        """Return the agent's built-in tools."""
        return self.pick(name for name in agent.tools if name != GENERIC_MCP_CALL)
