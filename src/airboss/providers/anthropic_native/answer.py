"""A streamed message of Anthropic's as the events and the response of the SDK."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from anthropic.types import RawMessageStreamEvent
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseFunctionToolCall,
    ResponseOutputItem,
    ResponseOutputItemAddedEvent,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
    ResponseUsage,
)
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails

from airboss.domain.text import well_formed
from airboss.providers.anthropic_native.sendable import decode_sendable

_CUT = frozenset({"max_tokens", "model_context_window_exceeded"})
_COUNTS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


@dataclass(slots=True)
class _Block:
    """A block as it comes in; `parts` are its text, its arguments or its thoughts."""

    kind: str
    #: What it began with; a thought is given back as it came.
    begun: dict[str, Any]
    parts: list[str] = field(default_factory=list)
    signature: str = ""

    @property
    def text(self) -> str:
        return "".join(self.parts)


class Answer:
    """One message. Fed with events that were checked, it tells what the SDK is told."""

    def __init__(self, model: str, names: Mapping[str, str]) -> None:
        self._model = model
        self._names = names
        self._id = "message"
        self._blocks: dict[int, _Block] = {}
        self._counts = dict.fromkeys(_COUNTS, 0)
        self._stop_reason: str | None = None
        self._is_told = False
        self._sequence = 0

    def take(self, event: RawMessageStreamEvent) -> Iterator[ResponseStreamEvent]:
        """Take an event in; what it adds comes out, with the last one the whole response."""
        if event.type == "message_start":
            self._id = well_formed(str(event.message.id))
            self._count(event.message.usage)
        elif event.type == "content_block_start":
            yield from self._open(event.index, event.content_block)
        elif event.type == "content_block_delta":
            yield from self._fill(event.index, event.delta)
        elif event.type == "message_delta":
            self._count(event.usage)
            self._stop_reason = event.delta.stop_reason or self._stop_reason
        elif event.type == "message_stop":
            yield from self.end()

    def end(self) -> Iterator[ResponseStreamEvent]:
        """Complete the message where its last event never came: nothing but the reason to stop is missed."""
        if not self._is_told and self._stop_reason is not None:
            self._is_told = True
            yield ResponseCompletedEvent(
                type="response.completed", response=self._response(), sequence_number=self._next()
            )

    def _response(self) -> Response:
        return Response(
            id=self._id,
            created_at=0,
            model=self._model,
            object="response",
            output=self._output(),
            parallel_tool_calls=True,
            tool_choice="auto",
            tools=[],
            status="completed",
            usage=self._usage(),
        )

    def _open(self, index: int, begun: Any) -> Iterator[ResponseStreamEvent]:
        block = self._blocks[index] = _Block(begun.type, begun.to_dict())
        if block.kind == "tool_use":
            yield ResponseOutputItemAddedEvent(
                type="response.output_item.added",
                item=self._call(index, block),
                output_index=index,
                sequence_number=self._next(),
            )
        elif block.kind == "text" and begun.text:
            yield self._say(index, block, begun.text)

    def _fill(self, index: int, delta: Any) -> Iterator[ResponseStreamEvent]:
        block = self._blocks[index]
        if delta.type == "text_delta" and delta.text:
            yield self._say(index, block, delta.text)
        elif delta.type == "input_json_delta" and delta.partial_json:
            block.parts.append(delta.partial_json)
            yield ResponseFunctionCallArgumentsDeltaEvent(
                type="response.function_call_arguments.delta",
                item_id=self._item_id(index),
                output_index=index,
                delta=delta.partial_json,
                sequence_number=self._next(),
            )
        elif delta.type == "thinking_delta":
            block.parts.append(delta.thinking)
        elif delta.type == "signature_delta":
            block.signature += delta.signature

    def _say(self, index: int, block: _Block, text: str) -> ResponseTextDeltaEvent:
        block.parts.append(text)
        return ResponseTextDeltaEvent(
            type="response.output_text.delta",
            item_id=self._item_id(index),
            output_index=index,
            content_index=0,
            delta=text,
            logprobs=[],
            sequence_number=self._next(),
        )

    def _output(self) -> list[ResponseOutputItem]:
        """Return the items in their order, texts that stand together as one message.

        An answer without tool calls has one message only: of several the last alone would be its output.
        """
        blocks = sorted(self._blocks.items())
        if not any(block.kind == "tool_use" for _, block in blocks):
            blocks.sort(key=lambda each: each[1].kind == "text")
        output: list[ResponseOutputItem] = []
        for kind, group in groupby(blocks, key=lambda each: each[1].kind):
            if kind == "text":
                output += self._message(list(group))
            elif kind == "tool_use":
                output += [self._call(index, block) for index, block in group]
            elif kind in ("thinking", "redacted_thinking"):
                output += [self._thought(index, block) for index, block in group]
        return output

    def _message(self, blocks: list[tuple[int, _Block]]) -> list[ResponseOutputItem]:
        texts = [
            ResponseOutputText(type="output_text", text=block.text, annotations=[])
            for _, block in blocks
            if block.parts
        ]
        if not texts:
            return []
        return [
            ResponseOutputMessage(
                id=self._item_id(blocks[0][0]),
                type="message",
                role="assistant",
                status="completed",
                content=list(texts),
            )
        ]

    def _call(self, index: int, block: _Block) -> ResponseFunctionToolCall:
        name = well_formed(block.begun["name"])
        return ResponseFunctionToolCall(
            id=self._item_id(index),
            type="function_call",
            call_id=well_formed(block.begun["id"]),
            name=self._names.get(name, name),
            arguments=self._arguments(index, block),
        )

    def _arguments(self, index: int, block: _Block) -> str:
        if block.parts:
            return _mended(block.text)
        if block.begun.get("input"):
            return _mended(json.dumps(block.begun["input"]))
        # Cut before its first word it is no call without arguments: what is no JSON is not run.
        return "{" if self._stop_reason in _CUT and index == max(self._blocks) else "{}"

    def _thought(self, index: int, block: _Block) -> ResponseReasoningItem:
        """Keep a thought for the next turn, where the SDK keeps those of other vendors."""
        thought = dict(block.begun)
        if block.kind == "thinking":
            thought |= {"thinking": thought.get("thinking", "") + block.text}
            thought |= {"signature": block.signature or thought.get("signature", "")}
        thought = {key: well_formed(value) for key, value in thought.items() if isinstance(value, str)}
        return ResponseReasoningItem.model_validate(
            {
                "id": self._item_id(index),
                "type": "reasoning",
                "summary": [],
                "provider_data": {"model": self._model, "thinking_blocks": [thought]},
            }
        )

    def _count(self, usage: Any) -> None:
        """Take counts in; those that come later are of the whole."""
        for name in _COUNTS:
            count = getattr(usage, name, None)
            if isinstance(count, int) and count >= 0:
                self._counts[name] = count

    def _usage(self) -> ResponseUsage:
        """Add up the tokens: Anthropic's `input_tokens` are those that no cache had to do with."""
        written, read = self._counts["cache_creation_input_tokens"], self._counts["cache_read_input_tokens"]
        taken, given = self._counts["input_tokens"] + written + read, self._counts["output_tokens"]
        return ResponseUsage(
            input_tokens=taken,
            output_tokens=given,
            total_tokens=taken + given,
            input_tokens_details=InputTokensDetails(cached_tokens=read, cache_write_tokens=written),
            output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
        )

    def _item_id(self, index: int) -> str:
        return f"{self._id}_{index}"

    def _next(self) -> int:
        self._sequence += 1
        return self._sequence


def _mended(arguments_json: str) -> str:
    """Mend an escaped half of a surrogate pair: decoded, it breaks the SDK."""
    if "\\u" not in arguments_json:
        return well_formed(arguments_json)
    try:
        return json.dumps(decode_sendable(arguments_json), ensure_ascii=False)
    except (ValueError, RecursionError):
        return well_formed(arguments_json)
