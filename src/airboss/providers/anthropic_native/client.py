"""Asking through Anthropic's client library, which takes a second to import."""

from collections.abc import AsyncGenerator, Mapping
from typing import Any

from anthropic import AnthropicError, APIConnectionError, AsyncAnthropic
from openai.types.responses import ResponseStreamEvent

from airboss.providers.anthropic_native.answer import Answer
from airboss.providers.connection import ProviderConnection
from airboss.providers.faults import ProviderFault, bad_answer, unreachable


class _Client(AsyncAnthropic):
    """The library's client, deaf to the environment: its headers could carry another's key."""

    def __init__(self, connection: ProviderConnection) -> None:
        api_key = connection.api_key()
        super().__init__(
            base_url=connection.base_url.removesuffix("/v1"),
            api_key=api_key,
            max_retries=0,
            http_client=connection.streams(),
            open_telemetry=False,
        )
        # Sent as a bearer's too: Anthropic takes both, most gateways know one of them.
        self._custom_headers = {"x-api-key": api_key}


async def ask(
    connection: ProviderConnection, request: Mapping[str, Any], names: Mapping[str, str]
) -> AsyncGenerator[ResponseStreamEvent]:
    """Ask once and tell the answer as the SDK's events; `names` are the tools' own, by those on the wire."""
    answer = Answer(request["model"], names)
    try:
        async with await _Client(connection).messages.create(**request, stream=True) as stream:
            async for event in stream:
                for told in answer.take(event):
                    yield told
    except AnthropicError as error:
        raise _fault_of(error) from error
    for told in answer.end():
        yield told


def _fault_of(error: AnthropicError) -> ProviderFault:
    """Find our own fault under what the library made of it, or say what its error means."""
    if isinstance(error.__cause__, ProviderFault):
        return error.__cause__
    if isinstance(error, APIConnectionError):
        return unreachable("broke the connection")
    return bad_answer("answered what cannot be used")
