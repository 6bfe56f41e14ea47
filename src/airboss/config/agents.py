"""Settings of the agents: `agents.NAME`."""

from typing import Annotated

from pydantic import AfterValidator, Field

from airboss.config.section import Section
from airboss.config.values import Capacity, DelaySeconds, Expected, Name, Seconds, Text
from airboss.domain.agents import OnInterrupt
from airboss.domain.errors import ERROR_CODES, ErrorType

_FAILURES = {ErrorType.PROVIDER, ErrorType.TOOL, ErrorType.INTERNAL}


def _failure_code(code: str) -> str:
    spec = ERROR_CODES.get(code)
    if spec is None or spec.type not in _FAILURES:
        raise ValueError("no job fails with this code")
    return code


FailureCode = Annotated[
    str,
    AfterValidator(_failure_code),
    Expected("an error code that jobs fail with, such as provider_unavailable"),
]


class AgentSettings(Section):
    """One agent that jobs can be spawned for."""

    provider: Name = Field("openai", description="Provider that answers the agent's model calls.")
    model: Text = Field(
        "gpt-5-mini", description="Model, as its provider names it; to be given for other than OpenAI."
    )
    instructions: str = Field(
        "You are a helpful assistant.", description="System prompt: what the agent is and does."
    )
    tools: tuple[Text, ...] = Field(
        ("files.list", "files.read", "web.fetch"),
        description="Built-in tools the agent may call; an empty list gives none.",
    )
    mcp_servers: tuple[Name, ...] = Field(
        (), description="MCP servers whose tools the agent may call, there named NAME.TOOL."
    )
    handoffs: tuple[Name, ...] = Field((), description="Agents that this one may hand a conversation to.")
    timeout_seconds: Seconds = Field(
        300, description="Seconds of running time of one job, summed over its attempts; then it is timed_out."
    )
    max_turns: Capacity = Field(20, description="Model calls of one run at most, so that a loop ends.")
    max_concurrent_jobs: Capacity | None = Field(
        None,
        description="Jobs of this agent running at once on this node; null: only limits.max_concurrent_jobs.",
    )
    max_attempts: Capacity = Field(
        3,
        description="Starts of one job: the first, and one more after each lost worker or code in retry_on.",
    )
    retry_on: tuple[FailureCode, ...] = Field(
        (), description="Error codes after which the job goes back to pending, such as provider_unavailable."
    )
    retry_delay_seconds: DelaySeconds = Field(
        30, description="Seconds before such a job starts again, to let the cause pass."
    )
    on_interrupt: OnInterrupt = Field(
        OnInterrupt.RESUME,
        description="After a crash or a drain: resume from the journal, restart from scratch, or fail.",
    )
