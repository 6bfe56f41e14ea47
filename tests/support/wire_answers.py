"""Streamed answers as OpenAI's two APIs put them on the wire, in the parts at which they can break."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CHAT, RESPONSES = "chat_completions", "responses"
APIS = (CHAT, RESPONSES)
PIECES = ("Two ", "of ", "three ", "engines ", "run.")
ANSWER = "".join(PIECES)
TOOL_ARGUMENTS = ('{"x"', ": ", "1}")
INPUT_TOKENS, OUTPUT_TOKENS = 11, 7


@dataclass(frozen=True)
class WireAnswer:
    """The first event, which says nothing yet; the words; the end with its reason; what follows the end."""

    opening: bytes
    words: Sequence[bytes]
    closing: bytes
    done: bytes

    @property
    def whole(self) -> bytes:
        return b"".join((self.opening, *self.words, self.closing, self.done))


def wire_answer(
    api: str,
    *,
    tool: bool = False,
    pieces: Sequence[str] = PIECES,
    finish: str | None = None,
    usage: Mapping[str, Any] | None = None,
    refusal: bool = False,
) -> WireAnswer:
    """Build an answer; `finish` is the reason in words of chat completions, "" for none at all."""
    if api == CHAT:
        return _chat(pieces, finish, usage, tool=tool, refusal=refusal)
    return _responses(pieces, finish, usage, tool=tool, refusal=refusal)


def sse(event: Any, name: str | None = None) -> bytes:
    head = b"" if name is None else f"event: {name}\n".encode()
    return head + b"data: " + json.dumps(event).encode() + b"\n\n"


def chat_chunk(delta: Any, finish: Any = None, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return sse(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "faulty",
            "choices": [choice],
            **fields,
        }
    )


def response_event(kind: str, **fields: Any) -> bytes:
    return sse({"type": kind, "sequence_number": 0, **fields}, kind)


def response_body(output: Any, status: str = "completed", usage: Any = None, **fields: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "faulty",
        "status": status,
        "output": output,
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": usage,
        **fields,
    }


def _chat(
    pieces: Sequence[str],
    finish: str | None,
    usage: Mapping[str, Any] | None,
    *,
    tool: bool,
    refusal: bool,
) -> WireAnswer:
    if tool:
        call = {"index": 0, "id": "call_1", "type": "function"}
        words = [chat_chunk({"tool_calls": [{**call, "function": {"name": "test_echo", "arguments": ""}}]})]
        words += [
            chat_chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]})
            for part in TOOL_ARGUMENTS
        ]
    else:
        words = [chat_chunk({"refusal" if refusal else "content": piece}) for piece in pieces]
    reason = ("tool_calls" if tool else "stop") if finish is None else (finish or None)
    counted = usage or {
        "prompt_tokens": INPUT_TOKENS,
        "completion_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
    }
    closing = chat_chunk({}, reason) + chat_chunk({}, choices=[], usage=counted)
    return WireAnswer(chat_chunk({"role": "assistant"}), words, closing, b"data: [DONE]\n\n")


def _responses(
    pieces: Sequence[str],
    finish: str | None,
    usage: Mapping[str, Any] | None,
    *,
    tool: bool,
    refusal: bool,
) -> WireAnswer:
    opening = response_event("response.created", response=response_body([], "in_progress"))
    if tool:
        item: dict[str, Any] = {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "test_echo",
            "arguments": "",
            "status": "in_progress",
        }
        place: dict[str, Any] = {"item_id": "fc_1", "output_index": 0}
        words = [response_event("response.output_item.added", output_index=0, item=item)]
        words += [
            response_event("response.function_call_arguments.delta", **place, delta=part)
            for part in TOOL_ARGUMENTS
        ]
        output = [{**item, "arguments": "".join(TOOL_ARGUMENTS), "status": "completed"}]
    else:
        kind = "refusal" if refusal else "output_text"
        place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
        words = [
            response_event(f"response.{kind}.delta", **place, delta=piece, logprobs=[]) for piece in pieces
        ]
        text = "".join(pieces)
        content = (
            {"type": "refusal", "refusal": text}
            if refusal
            else {"type": "output_text", "text": text, "annotations": []}
        )
        output = [
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [content],
            }
        ]
    return WireAnswer(opening, words, _responses_closing(output, finish, usage), b"")


def _responses_closing(output: Any, finish: str | None, usage: Mapping[str, Any] | None) -> bytes:
    if finish == "":
        return b""
    counted = usage or {
        "input_tokens": INPUT_TOKENS,
        "output_tokens": OUTPUT_TOKENS,
        "total_tokens": INPUT_TOKENS + OUTPUT_TOKENS,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    reasons = {"length": "max_output_tokens", "content_filter": "content_filter"}
    if finish in reasons:
        body = response_body(output, "incomplete", counted, incomplete_details={"reason": reasons[finish]})
        return response_event("response.incomplete", response=body)
    return response_event("response.completed", response=response_body(output, usage=counted))
