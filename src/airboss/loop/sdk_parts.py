"""Models and tools in the shapes the SDK calls, each leading through the seam."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from agents import FunctionTool, Model, ModelProvider, ModelResponse
from agents.tool_context import ToolContext as SdkToolContext
from openai.types.responses import ResponseCompletedEvent, ResponseStreamEvent

from airboss.domain.errors import JobFailure
from airboss.loop.calls import ModelCall, ToolCall
from airboss.loop.fingerprint import fingerprint
from airboss.loop.seam import Seam
from airboss.loop.tool_answers import NOTE
from airboss.ports.tools import Tool
from airboss.providers.models import Candidate

#: While a provider has one of these, those that stand in for it are asked.
_UNAVAILABLE = frozenset(
    {"provider_unavailable", "provider_timeout", "provider_rate_limited", "breaker_open"}
)


class SeamModel(Model):
    """Models behind the seam: the first that is available answers."""

    def __init__(self, seam: Seam, candidates: Sequence[Candidate]) -> None:
        self._seam = seam
        self._candidates = candidates

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        raise NotImplementedError("answers are always streamed")

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[ResponseStreamEvent]:
        turn = self._seam.next_turn()
        request_hash = _request_hash(self._candidates[0], args)
        kept = await self._seam.recall(turn, request_hash)
        if kept is not None:
            yield ResponseCompletedEvent(type="response.completed", response=kept, sequence_number=0)
            return
        for candidate in self._candidates:
            is_last = candidate is self._candidates[-1]
            began = False
            try:
                call = ModelCall(turn, candidate.provider, candidate.model, request_hash)
                async with aclosing(self._ask(call, candidate, args, kwargs)) as stream:
                    async for event in stream:
                        began = True
                        yield event
            except JobFailure as failure:
                # Never two voices in one answer: once a word went out, its failure is the answer's.
                if is_last or began or failure.error.code not in _UNAVAILABLE:
                    raise
            else:
                return

    def _ask(
        self, call: ModelCall, candidate: Candidate, args: Any, kwargs: Any
    ) -> AsyncGenerator[ResponseStreamEvent]:
        return self._seam.model(call, lambda: candidate.answers.stream_response(*args, **kwargs))


def _request_hash(candidate: Candidate, args: Any) -> str:
    """Hash what the SDK asks a model: whom, instructions, conversation, tools and handoffs."""
    instructions, items, _, tools, _, handoffs, *_ = args
    offered = [(tool.name, getattr(tool, "description", ""), _parameters(tool)) for tool in tools]
    others = [(handoff.tool_name, handoff.agent_name) for handoff in handoffs]
    return fingerprint(candidate.provider, candidate.model, instructions, items, offered, others)


def _parameters(tool: Any) -> Any:
    return tool.params_json_schema if isinstance(tool, FunctionTool) else None


class NoModels(ModelProvider):
    """Given to the SDK so that it never makes a provider of its own from the environment."""

    def get_model(self, model_name: str | None) -> Model:
        raise NotImplementedError(f"every agent has its model; the SDK asked for {model_name!r}")


class InFlight:
    """The tool calls that run now: the SDK cancels them without waiting for their end."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def add_current(self) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def settle(self) -> None:
        while self._tasks:
            await asyncio.wait(self._tasks)


def seam_tool(seam: Seam, tool: Tool, wire: str, in_flight: InFlight) -> FunctionTool:
    """Give a tool to the SDK under its wire name, unchecked: the tool checks its arguments itself."""

    async def invoke(context: SdkToolContext[Any], arguments_json: str) -> str:
        in_flight.add_current()
        turn, index = seam.place(context.tool_call_id)
        call = ToolCall(turn, index, context.tool_call_id, tool.name, arguments_json)
        return await seam.tool(call, tool)

    return FunctionTool(
        name=wire,
        description=f"{tool.description} {NOTE}".lstrip(),
        params_json_schema=dict(tool.parameters),
        on_invoke_tool=invoke,
        strict_json_schema=False,
    )
