"""Builds the loop with its models: what `runtime` loads by name when the first job needs it."""

from collections.abc import Iterable

from airboss.domain.agents import AgentSpec
from airboss.domain.providers import ProviderSpec
from airboss.loop.sdk_loop import SdkLoop
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.providers.models import ModelSource
from airboss.providers.wire import ReadSecret
from airboss.tools.registry import ToolRegistry


def build_loop(
    *,
    agents: Iterable[AgentSpec],
    providers: Iterable[ProviderSpec],
    tools: ToolRegistry,
    read_secret: ReadSecret,
    clock: Clock,
    log: Log,
) -> SdkLoop:
    return SdkLoop(
        agents={agent.name: agent for agent in agents},
        models=ModelSource(providers, read_secret),
        tools=tools,
        clock=clock,
        log=log,
    )
