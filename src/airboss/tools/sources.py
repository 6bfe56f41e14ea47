"""All that gives tools, as one source."""

from collections.abc import Sequence

from airboss.domain.agents import AgentSpec
from airboss.ports.tools import Tool, ToolSource


class ToolSources:
    """Asks its sources in their order."""

    def __init__(self, *sources: ToolSource) -> None:
        self._sources = sources

    async def tools_of(self, agent: AgentSpec) -> Sequence[Tool]:
        return [tool for source in self._sources for tool in await source.tools_of(agent)]
