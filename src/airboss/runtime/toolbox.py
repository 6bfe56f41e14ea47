"""The tools of this server, and what the settings may not ask of them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from airboss.config.findings import Finding
from airboss.config.runtime_config import RuntimeConfig
from airboss.domain.agents import AgentSpec
from airboss.domain.nearest_name import suggestion
from airboss.domain.policies import FilesPolicy, WebPolicy
from airboss.domain.tool_names import GENERIC_MCP_CALL
from airboss.security.guarded_client import GuardedClient
from airboss.tools.files import ListFiles, ReadFile, WriteFile
from airboss.tools.registry import ToolRegistry
from airboss.tools.rooted import RootedFolder
from airboss.tools.web import FetchPage
from airboss.version import VERSION

_NAMES = (ListFiles.name, ReadFile.name, WriteFile.name, FetchPage.name, GENERIC_MCP_CALL)


def build_web_client(policy: WebPolicy) -> GuardedClient:
    """Build the one client for addresses that a model names."""
    return GuardedClient(policy, user_agent=f"airboss/{VERSION}")


def build_tools(config: RuntimeConfig, web: GuardedClient) -> ToolRegistry:
    """Build the tools that the settings allow."""
    files = config.files
    folder = RootedFolder(Path(files.root))
    writing = [WriteFile(folder, max_bytes=files.max_bytes)] if files.writable else []
    return ToolRegistry(
        [ListFiles(folder), ReadFile(folder, max_bytes=files.max_bytes), *writing, FetchPage(web)]
    )


def unsafe_root(files: FilesPolicy, data_dir: Path) -> Iterator[Finding]:
    """Tell where agents could write into the server's own files."""
    root, data_dir = Path(files.root).resolve(), data_dir.resolve()
    # Who writes the database decides what every job was and will be.
    if files.writable and (root.is_relative_to(data_dir) or data_dir.is_relative_to(root)):
        text = (
            "agents may write there (tools.files.writable), and the server's own data is in it or around it:"
            f" {data_dir}; set tools.files.root to a folder apart"
        )
        depends_on = (("tools", "files", "writable"), ("server", "data_dir"), ("storage", "url"))
        yield Finding(("tools", "files", "root"), text, depends_on)


def unknown_tools(agents: Iterable[AgentSpec]) -> Iterator[Finding]:
    """Tell every tool that an agent names and cannot have."""
    for agent in agents:
        servers = ("agents", agent.name, "mcp_servers")
        for at, name in enumerate(agent.tools):
            path = ("agents", agent.name, "tools", at)
            if name not in _NAMES:
                yield Finding(path, _unknown_tool(agent, name))
            elif name == GENERIC_MCP_CALL and not agent.mcp_servers:
                text = (
                    f"{GENERIC_MCP_CALL} calls tools of the agent's MCP servers, and it has none;"
                    f" name some in {'.'.join(servers)}, or leave the tool out"
                )
                yield Finding(path, text, (servers,))


def _unknown_tool(agent: AgentSpec, name: str) -> str:
    server = name.partition(".")[0]
    if server in agent.mcp_servers:
        return f"the agent has every tool of the MCP server '{server}' already: leave '{name}' out"
    return f"there is no tool '{name}'; {suggestion(name, _NAMES)}"
