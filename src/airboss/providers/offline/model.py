"""The planner as a model of the agents SDK, so that it runs in the same loop as every other."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

from agents import Model, ModelResponse
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
    ResponseUsage,
)
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from airboss.domain.providers import OFFLINE_MODELS
from airboss.domain.tool_names import wire_name
from airboss.providers.offline.planner import Answer, Seen, decode_answer, plan

(MODEL_NAME,) = OFFLINE_MODELS
_PIECE_CHARACTERS = 48


class OfflineModel(Model):
    """Answers from rules. It spends no tokens, and says so."""

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        raise NotImplementedError("answers are always streamed")

    async def stream_response(
        self,
        system_instructions: str | None,  # noqa: ARG002
        input: str | list[Any],  # noqa: A002 - the SDK's name
        model_settings: Any,  # noqa: ARG002
        tools: list[Any],
        *args: Any,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> AsyncIterator[ResponseStreamEvent]:
        items = [{"role": "user", "content": input}] if isinstance(input, str) else input
        dotted = {tool.name: tool.name.replace("_", ".", 1) for tool in tools}
        seen = list(_seen(items, dotted))
        step = plan(_question(items), seen, frozenset(dotted.values()))
        if isinstance(step, Answer):
            for number, piece in enumerate(_pieces(step.text)):
                yield _delta(piece, number)
                # Others get their turn between the pieces, as they do while a model thinks.
                await asyncio.sleep(0)
            output: list[ResponseOutputItem] = [_message(step.text)]
        else:
            output = [
                _tool_call(wire_name(tool), arguments, f"call_{len(seen) + number}")
                for number, (tool, arguments) in enumerate(step.calls, start=1)
            ]
        yield ResponseCompletedEvent(type="response.completed", response=_response(output), sequence_number=0)


def _question(items: Sequence[Any]) -> str:
    for item in items:
        if item.get("role") == "user":
            content = item["content"]
            if isinstance(content, str):
                return content
            return " ".join(str(part.get("text", "")) for part in content)
    return ""


def _seen(items: Sequence[Any], dotted: dict[str, str]) -> Iterator[Seen]:
    calls = {item["call_id"]: item for item in items if item.get("type") == "function_call"}
    for item in items:
        if item.get("type") == "function_call_output" and item["call_id"] in calls:
            call = calls[item["call_id"]]
            name = dotted.get(call["name"], call["name"])
            yield Seen(name, json.loads(call["arguments"]), decode_answer(str(item["output"])))


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), _PIECE_CHARACTERS):
        yield text[start : start + _PIECE_CHARACTERS]


def _delta(piece: str, number: int) -> ResponseTextDeltaEvent:
    return ResponseTextDeltaEvent(
        type="response.output_text.delta",
        item_id="message",
        output_index=0,
        content_index=0,
        delta=piece,
        logprobs=[],
        sequence_number=number,
    )


def _message(text: str) -> ResponseOutputMessage:
    return ResponseOutputMessage(
        id="message",
        type="message",
        role="assistant",
        status="completed",
        content=[ResponseOutputText(type="output_text", text=text, annotations=[])],
    )


def _tool_call(name: str, arguments: dict[str, Any], call_id: str) -> ResponseFunctionToolCall:
    return ResponseFunctionToolCall(
        type="function_call", name=name, arguments=json.dumps(arguments), call_id=call_id
    )


def _response(output: list[ResponseOutputItem]) -> Response:
    return Response(
        id="offline",
        created_at=0,
        model=MODEL_NAME,
        object="response",
        output=output,
        parallel_tool_calls=True,
        tool_choice="auto",
        tools=[],
        status="completed",
        usage=ResponseUsage(
            input_tokens=0,
            output_tokens=0,
            total_tokens=0,
            input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
            output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
        ),
    )
