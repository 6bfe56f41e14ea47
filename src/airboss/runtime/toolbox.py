"""The tools of this server, and the check that every agent finds its own."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from airboss.config.runtime_config import RuntimeConfig
from airboss.domain.agents import AgentSpec
from airboss.tools.files import ListFiles, ReadFile
from airboss.tools.registry import ToolRegistry
from airboss.tools.rooted import RootedFolder


class UnknownToolError(Exception):
    """An agent names a tool that this server does not have."""


def build_tools(config: RuntimeConfig) -> ToolRegistry:
    folder = RootedFolder(Path(config.files.root))
    return ToolRegistry([ListFiles(folder), ReadFile(folder, max_bytes=config.files.max_bytes)])


def require_tools(agents: Iterable[AgentSpec], tools: ToolRegistry) -> None:
    """Raise `UnknownToolError` for the first tool that is missing, with the nearest there is."""
    for agent in agents:
        for name in agent.tools:
            if name not in tools:
                near = get_close_matches(name, tools.names(), n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(tools.names())}"
                raise UnknownToolError(f"agents.{agent.name}.tools: there is no tool '{name}'; {hint}")
