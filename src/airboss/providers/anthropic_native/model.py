"""Anthropic's Messages API as a model of the agents SDK."""

import asyncio
import functools
import importlib
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from agents import Handoff, Model, ModelResponse, ModelSettings
from agents.agent_output import AgentOutputSchemaBase
from agents.tool import Tool
from openai.types.responses import ResponseStreamEvent

from airboss.providers.anthropic_native.messages_shape import MessagesShape, fault_of_error
from airboss.providers.anthropic_native.request import messages_request, offered_tools
from airboss.providers.anthropic_native.wire_words import wire_word
from airboss.providers.checked_transport import current_attempt
from airboss.providers.connection import ProviderConnection

_CLIENT_MODULE = "airboss.providers.anthropic_native.client"


class AnthropicModel(Model):
    """Asks once, on behalf of the current attempt. Of the settings it takes `max_tokens` alone."""

    def __init__(self, connection: ProviderConnection, model: str) -> None:
        self._connection = connection
        self._model = model

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        raise NotImplementedError("answers are always streamed")

    async def stream_response(
        self,
        system_instructions: str | None,
        input: str | list[Any],  # noqa: A002 - the SDK's name
        model_settings: ModelSettings,
        tools: list[Tool],
        output_schema: AgentOutputSchemaBase | None,
        handoffs: list[Handoff[Any, Any]],
        *args: Any,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> AsyncIterator[ResponseStreamEvent]:
        if output_schema is not None and not output_schema.is_plain_text():
            raise NotImplementedError("answers are text")
        current_attempt.get().check.expect(MessagesShape(), fault_of_error)
        offered = offered_tools(tools, handoffs)
        request = messages_request(
            self._model, system_instructions, input, offered, model_settings.max_tokens
        )
        names = {wire_word(tool["name"]): tool["name"] for tool in offered}
        client = await _loaded_client()
        async with aclosing(client.ask(self._connection, request, names)) as events:
            async for event in events:
                yield event


async def _loaded_client() -> Any:
    """Load the client library by name, off the event loop: it takes a second, and not everyone has it."""
    return _client() if _client.cache_info().currsize else await asyncio.to_thread(_client)


@functools.cache
def _client() -> Any:
    return importlib.import_module(_CLIENT_MODULE)
