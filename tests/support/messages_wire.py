"""Streamed answers of the Messages API as they stand on the wire."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.support.wire_answers import INPUT_TOKENS, OUTPUT_TOKENS, PIECES, TOOL_ARGUMENTS, WireAnswer

MESSAGES = "messages"
#: Reasons to stop, by those of chat completions; "" is none at all.
STOP_REASONS = {
    "stop": "end_turn",
    "tool_calls": "tool_use",
    "length": "max_tokens",
    "content_filter": "refusal",
    "": None,
}


def message_event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def message_start(**usage: Any) -> bytes:
    counts = usage or {"input_tokens": INPUT_TOKENS, "output_tokens": 1}
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "fake", "content": []}
    return message_event(
        "message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": counts}
    ) + message_event("ping")


def text_block(index: int, *pieces: str) -> list[bytes]:
    return _block(
        index, {"type": "text", "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces]
    )


def tool_block(index: int, call_id: str, name: str, *parts: str) -> list[bytes]:
    begun = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    # The first delta of the real API is empty.
    deltas = [{"type": "input_json_delta", "partial_json": part} for part in ("", *parts)]
    return _block(index, begun, deltas)


def thinking_block(index: int, signature: str, *pieces: str) -> list[bytes]:
    begun = {"type": "thinking", "thinking": "", "signature": ""}
    deltas: list[dict[str, Any]] = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    return _block(index, begun, [*deltas, {"type": "signature_delta", "signature": signature}])


def redacted_block(index: int, data: str) -> list[bytes]:
    return _block(index, {"type": "redacted_thinking", "data": data}, [])


def _block(index: int, begun: Mapping[str, Any], deltas: Sequence[Mapping[str, Any]]) -> list[bytes]:
    return [
        message_event("content_block_start", index=index, content_block=begun),
        *(message_event("content_block_delta", index=index, delta=delta) for delta in deltas),
        message_event("content_block_stop", index=index),
    ]


def message_delta(stop_reason: str | None, **usage: Any) -> bytes:
    counts = usage or {"output_tokens": OUTPUT_TOKENS}
    return message_event(
        "message_delta", delta={"stop_reason": stop_reason, "stop_sequence": None}, usage=counts
    )


MESSAGE_STOP = message_event("message_stop")


def tool_results(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the results in a request's last message."""
    content: list[Mapping[str, Any]] = request["messages"][-1]["content"]
    return [block for block in content if block["type"] == "tool_result"]


def whole_message(*blocks: Sequence[bytes], stop_reason: str | None = "end_turn") -> bytes:
    """Build an answer of the blocks given."""
    events = [event for block in blocks for event in block]
    return b"".join((message_start(), *events, message_delta(stop_reason), MESSAGE_STOP))


def message_answer(
    *,
    tool: bool = False,
    pieces: Sequence[str] = PIECES,
    finish: str | None = None,
    usage: Mapping[str, Any] | None = None,
    refusal: bool = False,
) -> WireAnswer:
    """Build an answer in the parts at which it can break; `finish` is in words of chat completions."""
    begun, *deltas, stopped = (
        tool_block(0, "toolu_1", "test_echo", *TOOL_ARGUMENTS) if tool else text_block(0, *pieces)
    )
    reason = "content_filter" if refusal else finish
    if reason is None:
        reason = "tool_calls" if tool else "stop"
    closing = stopped + message_delta(STOP_REASONS[reason], **(usage or {}))
    opening = message_start(**(usage or {}))
    if tool:
        # The block of a tool call is its first word already: its name is in it.
        return WireAnswer(opening, [begun, *deltas], closing, MESSAGE_STOP)
    return WireAnswer(opening + begun, deltas, closing, MESSAGE_STOP)
