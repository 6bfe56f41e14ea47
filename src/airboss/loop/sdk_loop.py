"""The adapter to the OpenAI Agents SDK. Importing it loads the SDK, which takes seconds."""

import json
from typing import Any

from agents import (
    Agent,
    MaxTurnsExceeded,
    ModelBehaviorError,
    ModelRetrySettings,
    ModelSettings,
    RunConfig,
    Runner,
    UserError,
)
from agents.tracing import set_trace_provider
from agents.tracing.provider import DefaultTraceProvider

from airboss.domain.agents import AgentSpec
from airboss.domain.errors import JobFailure
from airboss.domain.text import well_formed
from airboss.domain.tool_names import wire_names
from airboss.loop.sdk_parts import InFlight, NoModels, SeamModel, seam_tool
from airboss.loop.seam import Seam
from airboss.loop.settling import settled
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.loop import ClaimLostError, Run
from airboss.ports.tools import ToolSource
from airboss.providers.models import ModelSource

#: Retries are the call path's, once; the SDK's would multiply them.
_SETTINGS = ModelSettings(include_usage=True, retry=ModelRetrySettings(max_retries=0))


def switch_tracing_off() -> None:
    """Give the SDK a trace provider that exports nowhere and starts no thread."""
    provider = DefaultTraceProvider()
    provider.set_disabled(True)
    set_trace_provider(provider)


class SdkLoop:
    """Runs agents; holds nothing of a run after its end."""

    def __init__(
        self,
        *,
        agents: dict[str, AgentSpec],
        models: ModelSource,
        tools: ToolSource,
        clock: Clock,
        log: Log,
    ) -> None:
        self._agents = agents
        self._models = models
        self._tools = tools
        self._clock = clock
        self._log = log
        switch_tracing_off()

    async def run(self, run: Run) -> str:
        seam = Seam(run, self._clock, self._log)
        in_flight = InFlight()
        first = (await self._team(run.agent, seam, in_flight))[run.agent.name]
        result = Runner.run_streamed(
            first,
            _as_text(run.job.input),
            max_turns=run.agent.max_turns,
            run_config=RunConfig(
                model_provider=NoModels(),
                tracing_disabled=True,
                trace_include_sensitive_data=False,
                tool_not_found_behavior="return_error_to_model",
            ),
        )
        try:
            async with settled(result, in_flight):
                async for _ in result.stream_events():
                    pass
        except MaxTurnsExceeded:
            raise JobFailure(
                "max_turns",
                f"the agent did not answer within {run.agent.max_turns} turns",
                {"max_turns": run.agent.max_turns},
            ) from None
        except ModelBehaviorError as error:
            self._log.warning("model.misbehaved", job_id=run.job.id, error=error)
            raise JobFailure("provider_bad_answer", "the model's answer could not be used") from None
        except UserError as error:
            # What a tool raised that no model should read comes out wrapped.
            if isinstance(error.__cause__, JobFailure | ClaimLostError):
                raise error.__cause__ from None
            raise
        return _final_text(result.final_output)

    async def _team(self, first: AgentSpec, seam: Seam, in_flight: InFlight) -> dict[str, Agent[Any]]:
        """Build an agent and those it may hand over to, which may lead back to it, each with its own tools."""
        specs = self._reachable(first)
        tools = {name: await self._tools.tools_of(spec) for name, spec in specs.items()}
        wire = wire_names({tool.name for offered in tools.values() for tool in offered})
        team = {
            spec.name: Agent[Any](
                name=spec.name,
                instructions=spec.instructions,
                model=SeamModel(seam, self._models.candidates(spec.provider, spec.model)),
                model_settings=_SETTINGS,
                tools=[seam_tool(seam, tool, wire[tool.name], in_flight) for tool in tools[spec.name]],
            )
            for spec in specs.values()
        }
        for agent in team.values():
            agent.handoffs = [team[name] for name in specs[agent.name].handoffs]
        return team

    def _reachable(self, first: AgentSpec) -> dict[str, AgentSpec]:
        found, waiting = {first.name: first}, [first]
        while waiting:
            for name in waiting.pop().handoffs:
                if name not in found:
                    found[name] = self._agents[name]
                    waiting.append(found[name])
        return found


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _final_text(output: Any) -> str:
    if output is None:
        raise JobFailure("provider_bad_answer", "the model ended without an answer")
    return well_formed(str(output))
