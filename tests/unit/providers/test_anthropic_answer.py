"""Streamed messages as what the SDK is told."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
from anthropic.types import RawMessageStreamEvent
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseFunctionToolCall,
    ResponseOutputItemAddedEvent,
    ResponseOutputMessage,
    ResponseReasoningItem,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
)
from pydantic import TypeAdapter
from tests.support.messages_wire import (
    message_delta,
    message_event,
    message_start,
    redacted_block,
    text_block,
    thinking_block,
    tool_block,
    whole_message,
)

from airboss.providers.anthropic_native.answer import Answer

EVENTS: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def told(stream: bytes, **names: str) -> list[ResponseStreamEvent]:
    answer = Answer("claude", names)
    events: list[ResponseStreamEvent] = []
    for line in stream.splitlines():
        if line.startswith(b"data: ") and (event := json.loads(line[6:]))["type"] != "ping":
            events += answer.take(EVENTS.validate_python(event))
    return [*events, *answer.end()]


def response(stream: bytes, **names: str) -> Response:
    completed = told(stream, **names)[-1]
    assert isinstance(completed, ResponseCompletedEvent)
    return completed.response


def kinds(items: Sequence[Any]) -> list[str]:
    return [item.type for item in items]


def texts(item: Any) -> list[str]:
    assert isinstance(item, ResponseOutputMessage)
    return [part.text for part in item.content if part.type == "output_text"]


def test_text_goes_out_piece_by_piece_and_stands_in_the_end() -> None:
    events = told(whole_message(text_block(0, "Hel", "", "lo")))
    assert [event.delta for event in events if isinstance(event, ResponseTextDeltaEvent)] == ["Hel", "lo"]
    assert [event.sequence_number for event in events] == list(range(1, len(events) + 1))
    output = response(whole_message(text_block(0, "Hel", "", "lo"))).output
    assert [texts(item) for item in output] == [["Hello"]]


def test_text_that_stands_in_the_beginning_of_its_block_is_not_lost() -> None:
    begun = message_event("content_block_start", index=0, content_block={"type": "text", "text": "Hel"})
    events = told(whole_message([begun, *text_block(0, "lo")[1:]]))
    assert [event.delta for event in events if isinstance(event, ResponseTextDeltaEvent)] == ["Hel", "lo"]
    assert isinstance(events[-1], ResponseCompletedEvent)
    assert texts(events[-1].response.output[0]) == ["Hello"]


def test_parallel_calls_keep_their_order_ids_and_own_names() -> None:
    stream = whole_message(
        text_block(0, "I look."),
        tool_block(1, "toolu_1", "files_list_7e7aa135", '{"path"', ': "."}'),
        tool_block(2, "toolu_2", "other"),
        stop_reason="tool_use",
    )
    events = told(stream, files_list_7e7aa135="files.list")
    added = [event.item for event in events if isinstance(event, ResponseOutputItemAddedEvent)]
    assert kinds(added) == ["function_call", "function_call"]
    deltas = [event.delta for event in events if isinstance(event, ResponseFunctionCallArgumentsDeltaEvent)]
    assert deltas == ['{"path"', ': "."}']
    message, *calls = response(stream, files_list_7e7aa135="files.list").output
    assert texts(message) == ["I look."]
    assert [
        (item.call_id, item.name, item.arguments)
        for item in calls
        if isinstance(item, ResponseFunctionToolCall)
    ] == [("toolu_1", "files.list", '{"path": "."}'), ("toolu_2", "other", "{}")]


def test_arguments_that_come_whole_are_taken_whole() -> None:
    block = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"x": 1}}
    begun = message_event("content_block_start", index=0, content_block=block)
    (call,) = response(whole_message([begun, *tool_block(0, "-", "-")[1:]], stop_reason="tool_use")).output
    assert isinstance(call, ResponseFunctionToolCall)
    assert call.arguments == '{"x": 1}'


@pytest.mark.parametrize("stop_reason", ["max_tokens", "model_context_window_exceeded"])
@pytest.mark.parametrize(("parts", "arguments"), [((), "{"), (('{"x": ',), '{"x": ')])
def test_a_call_that_was_cut_cannot_be_run(stop_reason: str, parts: tuple[str, ...], arguments: str) -> None:
    stream = whole_message(
        tool_block(0, "toolu_1", "whole"),
        tool_block(1, "toolu_2", "cut", *parts),
        stop_reason=stop_reason,
    )
    calls = [item for item in response(stream).output if isinstance(item, ResponseFunctionToolCall)]
    assert [call.arguments for call in calls] == ["{}", arguments]
    with pytest.raises(ValueError):
        json.loads(calls[1].arguments)


def test_thoughts_are_kept_as_they_came_but_are_not_said() -> None:
    stream = whole_message(
        thinking_block(0, "signed", "h", "m"),
        redacted_block(1, "sealed"),
        tool_block(2, "toolu_1", "look"),
        stop_reason="tool_use",
    )
    assert not any(isinstance(event, ResponseTextDeltaEvent) for event in told(stream))
    output = response(stream).output
    kept = [
        item.model_dump(exclude_unset=True)["provider_data"]
        for item in output
        if isinstance(item, ResponseReasoningItem)
    ]
    assert kinds(output) == ["reasoning", "reasoning", "function_call"]
    assert kept == [
        {
            "model": "claude",
            "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "signed"}],
        },
        {"model": "claude", "thinking_blocks": [{"type": "redacted_thinking", "data": "sealed"}]},
    ]


def test_the_last_answer_is_one_message_whatever_was_thought_between() -> None:
    thought = thinking_block(1, "s", "hm")
    assert [texts(item) for item in response(
        whole_message(text_block(0, "a"), thought, text_block(2, "b"))
    ).output[1:]] == [["a", "b"]]  # fmt: skip
    stream = whole_message(
        text_block(0, "a"), thought, text_block(2, "b"), tool_block(3, "t", "look"), stop_reason="tool_use"
    )
    assert kinds(response(stream).output) == ["message", "reasoning", "message", "function_call"]


def test_blocks_of_a_kind_that_is_not_known_are_passed_over() -> None:
    block = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}}
    begun = message_event("content_block_start", index=0, content_block=block)
    assert kinds(response(whole_message([begun], text_block(1, "Hi"))).output) == ["message"]


def usage_of(start: dict[str, Any], delta: dict[str, Any]) -> tuple[int, int, int, int, int]:
    stream = message_start(**start) + b"".join(text_block(0, "Hi")) + message_delta("end_turn", **delta)
    usage = response(stream).usage
    assert usage is not None
    details = usage.input_tokens_details
    counted = (usage.input_tokens, usage.output_tokens, usage.total_tokens)
    return (*counted, details.cached_tokens, details.cache_write_tokens)


def test_tokens_from_and_for_the_cache_are_input_too() -> None:
    start = {
        "input_tokens": 5,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 1000,
        "output_tokens": 1,
    }
    assert usage_of(start, {"output_tokens": 7}) == (1105, 7, 1112, 1000, 100)


def test_later_counts_are_of_the_whole() -> None:
    start = {"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 1}
    later = {"input_tokens": 6, "cache_read_input_tokens": None, "output_tokens": 9}
    assert usage_of(start, later) == (9, 9, 18, 3, 0)


def test_an_answer_without_its_last_event_is_told_once_and_without_its_reason_never() -> None:
    whole = message_start() + b"".join(text_block(0, "Hi"))
    for stream, times in [
        (whole, 0),
        (whole + message_delta("end_turn"), 1),
        (whole_message(text_block(0, "Hi")), 1),
    ]:
        assert sum(isinstance(event, ResponseCompletedEvent) for event in told(stream)) == times


def test_no_half_character_is_left_anywhere_in_what_is_kept() -> None:
    half = "a\ud83d"
    whole = whole_message(
        thinking_block(0, half, half),
        redacted_block(1, half),
        tool_block(2, half, half, json.dumps({"x": half})),
        stop_reason="tool_use",
    )
    kept = response(whole).model_dump_json(exclude_unset=True)
    assert kept.count("a\ufffd") == 6
