"""Builds the loop with its models: what `runtime` loads by name when the first job needs it."""

from collections.abc import Iterable

from airboss.domain.agents import AgentSpec
from airboss.loop.sdk_loop import SdkLoop
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.mcp import McpConnections
from airboss.providers.models import ProviderModels
from airboss.providers.registry import ProviderRegistry
from airboss.tools.mcp_tools import McpTools
from airboss.tools.registry import ToolRegistry
from airboss.tools.sources import ToolSources


def build_loop(
    *,
    agents: Iterable[AgentSpec],
    providers: ProviderRegistry,
    tools: ToolRegistry,
    mcp: McpConnections,
    clock: Clock,
    log: Log,
) -> SdkLoop:
    return SdkLoop(
        agents={agent.name: agent for agent in agents},
        models=ProviderModels(providers),
        tools=ToolSources(tools, McpTools(mcp)),
        clock=clock,
        log=log,
    )
