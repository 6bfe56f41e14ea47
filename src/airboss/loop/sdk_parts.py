"""Models and tools in the shapes the SDK calls, each leading through the seam."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from agents import FunctionTool, Model, ModelProvider, ModelResponse
from agents.tool_context import ToolContext as SdkToolContext
from openai.types.responses import ResponseStreamEvent

from airboss.domain.tool_names import wire_name
from airboss.loop.calls import ModelCall, ToolCall
from airboss.loop.seam import Seam
from airboss.ports.tools import Tool


class SeamModel(Model):
    """A model behind the seam."""

    def __init__(self, seam: Seam, inner: Model, *, provider: str, model: str) -> None:
        self._seam = seam
        self._inner = inner
        self._provider = provider
        self._model = model

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        raise NotImplementedError("answers are always streamed")

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[ResponseStreamEvent]:
        call = ModelCall(self._seam.next_turn(), self._provider, self._model)
        stream = self._seam.model(call, lambda: self._inner.stream_response(*args, **kwargs))
        try:
            async for event in stream:
                yield event
        finally:
            await stream.aclose()


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


def seam_tool(seam: Seam, tool: Tool, in_flight: InFlight) -> FunctionTool:
    """Give a tool to the SDK under its wire name, unchecked: the tool checks its arguments itself."""

    async def invoke(context: SdkToolContext[Any], arguments_json: str) -> str:
        in_flight.add_current()
        turn, index = seam.place(context.tool_call_id)
        call = ToolCall(turn, index, context.tool_call_id, tool.name, arguments_json)
        return await seam.tool(call, tool)

    return FunctionTool(
        name=wire_name(tool.name),
        description=tool.description,
        params_json_schema=dict(tool.parameters),
        on_invoke_tool=invoke,
        strict_json_schema=False,
    )
