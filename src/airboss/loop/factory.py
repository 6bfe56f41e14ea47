"""Builds the loop with its models: what `runtime` loads by name when the first job needs it."""

from collections.abc import Iterable

from airboss.domain.agents import AgentSpec
from airboss.loop.sdk_loop import SdkLoop
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.providers.models import ProviderModels
from airboss.providers.registry import ProviderRegistry
from airboss.tools.registry import ToolRegistry


def build_loop(
    *,
    agents: Iterable[AgentSpec],
    providers: ProviderRegistry,
    tools: ToolRegistry,
    clock: Clock,
    log: Log,
) -> SdkLoop:
    return SdkLoop(
        agents={agent.name: agent for agent in agents},
        models=ProviderModels(providers),
        tools=tools,
        clock=clock,
        log=log,
    )
