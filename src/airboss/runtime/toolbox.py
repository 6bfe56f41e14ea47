"""The tools of this server, and the check that every agent finds its own."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from airboss.config.runtime_config import RuntimeConfig
from airboss.domain.agents import AgentSpec
from airboss.domain.policies import WebPolicy
from airboss.domain.tool_names import GENERIC_MCP_CALL
from airboss.security.guarded_client import GuardedClient
from airboss.tools.files import ListFiles, ReadFile, WriteFile
from airboss.tools.registry import ToolRegistry
from airboss.tools.rooted import RootedFolder
from airboss.tools.web import FetchPage
from airboss.version import VERSION


class UnknownToolError(Exception):
    """An agent names a tool that this server does not have."""


class BadAllowlistError(Exception):
    """`tools.web.allowed_domains` holds what is no host."""


class UnsafeRootError(Exception):
    """Agents could write into the server's own files."""


def build_web_client(policy: WebPolicy) -> GuardedClient:
    """Build the one client for addresses that a model names; raises `BadAllowlistError`."""
    try:
        return GuardedClient(policy, user_agent=f"airboss/{VERSION}")
    except ValueError as error:
        raise BadAllowlistError(f"tools.web.allowed_domains: {error}") from None


def build_tools(config: RuntimeConfig, web: GuardedClient) -> ToolRegistry:
    """Build the tools that the settings allow; raises `UnsafeRootError`."""
    files = config.files
    if files.writable:
        _require_apart(
            Path(files.root), config.data_dir if config.database is None else config.database.parent
        )
    folder = RootedFolder(Path(files.root))
    writing = [WriteFile(folder, max_bytes=files.max_bytes)] if files.writable else []
    return ToolRegistry(
        [ListFiles(folder), ReadFile(folder, max_bytes=files.max_bytes), *writing, FetchPage(web)]
    )


def _require_apart(root: Path, data_dir: Path) -> None:
    # Who writes the database decides what every job was and will be.
    root, data_dir = root.resolve(), data_dir.resolve()
    if root.is_relative_to(data_dir) or data_dir.is_relative_to(root):
        raise UnsafeRootError(
            "tools.files.root: agents may write there (tools.files.writable), and the server's own data is in it"
            f" or around it: {data_dir}; set tools.files.root to a folder apart"
        )


def require_tools(agents: Iterable[AgentSpec], tools: ToolRegistry) -> None:
    """Raise `UnknownToolError` for the first tool that is missing, with the nearest there is."""
    names = (*tools.names(), GENERIC_MCP_CALL)
    for agent in agents:
        if GENERIC_MCP_CALL in agent.tools and not agent.mcp_servers:
            raise UnknownToolError(
                f"agents.{agent.name}.tools: {GENERIC_MCP_CALL} calls tools of the agent's MCP servers, and it has"
                f" none; name some in agents.{agent.name}.mcp_servers, or leave the tool out"
            )
        for name in agent.tools:
            if name not in names:
                near = get_close_matches(name, names, n=1)
                hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(names)}"
                raise UnknownToolError(f"agents.{agent.name}.tools: there is no tool '{name}'; {hint}")
