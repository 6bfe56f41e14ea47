"""Which streams pass for an answer of the Messages API, and which errors mean what."""

import contextlib
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.messages_wire import (
    MESSAGE_STOP,
    message_answer,
    message_delta,
    message_event,
    message_start,
    redacted_block,
    text_block,
    thinking_block,
    tool_block,
    whole_message,
)

from airboss.domain.providers import ProviderApi
from airboss.providers.answer_check import AnswerCheck
from airboss.providers.anthropic_native.messages_shape import MessagesShape, fault_of_error
from airboss.providers.faults import ProviderFault

TEXT = text_block(0, "Hi")
TOOL = tool_block(1, "toolu_1", "look", "{}")
START = message_start()


def checked(*parts: bytes) -> AnswerCheck:
    check = AnswerCheck(ProviderApi.CHAT_COMPLETIONS, 1024 * 1024)
    check.expect(MessagesShape(), fault_of_error)
    for part in parts:
        check.feed(part)
    check.end()
    return check


def refused(*parts: bytes) -> ProviderFault:
    with pytest.raises(ProviderFault) as raised:
        checked(*parts)
    return raised.value


@pytest.mark.parametrize(
    ("stream", "finish"),
    [
        (whole_message(TEXT), "stop"),
        (whole_message(TEXT, stop_reason="stop_sequence"), "stop"),
        (whole_message(TEXT, TOOL, stop_reason="tool_use"), "tool_calls"),
        (whole_message(TEXT, stop_reason="max_tokens"), "length"),
        (whole_message(TEXT, stop_reason="model_context_window_exceeded"), "length"),
        (whole_message(thinking_block(1, "s", "hm"), redacted_block(2, "x"), TEXT), "stop"),
        (whole_message(TEXT) + message_event("something_new", index="?"), "stop"),
        (START + b"".join(TEXT) + message_delta(None) + message_delta("end_turn"), "stop"),
    ],
)
def test_whole_answers_pass_and_say_how_they_ended(stream: bytes, finish: str) -> None:
    assert checked(stream).finish_reason == finish


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ((), "answered nothing"),
        ((START,), "answered nothing"),
        ((START, *TEXT), "broke off without a finish reason"),
        ((whole_message(TEXT, stop_reason=None),), "ended without a stop reason"),
        ((whole_message(TEXT, stop_reason="pause_turn"),), "not known"),
        ((whole_message(TEXT, stop_reason="refused, in a way"),), "not known"),
        ((START, *TEXT, message_delta({"a": 1})), "not known"),  # type: ignore[arg-type]
        ((whole_message(),), "finished without an answer"),
        ((whole_message(text_block(0, "")),), "finished without an answer"),
        ((whole_message(thinking_block(0, "s", "hm")),), "finished without an answer"),
        ((whole_message(thinking_block(0, "s", "hm"), stop_reason="max_tokens"),), "before its first word"),
        ((b"".join(TEXT),), "a block of the wrong shape"),
        ((message_delta("end_turn"),), "ended with a message of the wrong shape"),
        ((START, START), "began with a message of the wrong shape"),
        ((message_event("message_start", message=[]),), "began with a message of the wrong shape"),
        ((message_event("message_start", message={"usage": 1}),), "began with a message of the wrong shape"),
        ((START, message_event("content_block_start", index=0, content_block=1)), "a block of the wrong"),
        ((START, message_event("content_block_start", index="0", content_block={})), "a block of the wrong"),
        ((START, TEXT[1]), "did not begin"),
        ((START, TEXT[0], TEXT[2], TEXT[1]), "did not begin"),
        ((START, TEXT[0], message_event("content_block_delta", index=0, delta=[])), "delta of the wrong"),
        ((START, TEXT[0], message_event("content_block_delta", index=0, delta={"text": 1})), "text of the"),
        (
            (START, TOOL[0], message_event("content_block_delta", index=1, delta={"partial_json": {}})),
            "delta of the wrong",
        ),
        ((START, *tool_block(0, "", "look")), "a tool without a name"),
        ((START, *tool_block(0, "toolu_1", "")), "a tool without a name"),
        ((b"data: {}\n",), "an event without a type"),
        ((b'data: {"choices": []}\n',), "an event without a type"),
        ((b"data: [1]\n",), "an event that is no object"),
        ((b"data: {not json\n",), "not JSON"),
    ],
)
def test_what_is_no_answer_is_a_bad_one(parts: Sequence[bytes], reason: str) -> None:
    fault = refused(*parts)
    assert (fault.code, fault.is_retryable) == ("provider_bad_answer", False)
    assert reason in fault.reason


def test_a_refusal_is_a_rejection() -> None:
    fault = refused(message_answer(refusal=True).whole)
    assert (fault.code, fault.counts) == ("provider_rejected", False)


@pytest.mark.parametrize(
    ("error", "code", "is_retryable"),
    [
        ({"type": "overloaded_error", "message": "secret"}, "provider_unavailable", True),
        ({"type": "api_error"}, "provider_unavailable", True),
        ({"type": "timeout_error"}, "provider_unavailable", True),
        ({"type": "rate_limit_error"}, "provider_rate_limited", True),
        ({"type": "authentication_error"}, "provider_auth", False),
        ({"type": "permission_error"}, "provider_auth", False),
        ({"type": "invalid_request_error"}, "provider_rejected", False),
        ({"type": "not_found_error"}, "provider_rejected", False),
        ({"type": "request_too_large"}, "provider_rejected", False),
        ({"type": "billing_error"}, "provider_rejected", False),
        ({"type": "a_new_one"}, "provider_bad_answer", False),
        ({"type": ["?"]}, "provider_bad_answer", False),
        ("overloaded_error", "provider_bad_answer", False),
    ],
)
def test_an_error_in_the_stream_means_what_its_status_would(
    error: Any, code: str, is_retryable: bool
) -> None:
    fault = refused(START, message_event("error", error=error))
    assert (fault.code, fault.is_retryable) == (code, is_retryable)
    assert "told of an error in its answer" in fault.reason
    assert "secret" not in fault.reason


@given(st.data())
def test_a_cut_stream_is_never_whole_until_its_reason_came(data: st.DataObject) -> None:
    """However the bytes are cut into parts, and wherever they end."""
    opening = message_start() + b"".join(TEXT + TOOL)
    stream = opening + message_delta("tool_use") + MESSAGE_STOP
    end = data.draw(st.integers(0, len(stream)))
    cuts = sorted(data.draw(st.lists(st.integers(0, end), max_size=5)))
    parts = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, end], strict=True)]
    line_end = len(opening) + message_delta("tool_use").rindex(b"}") + 1
    if end >= line_end:
        # Behind the reason nothing is missed, but what comes must not be half an event.
        with contextlib.suppress(ProviderFault) if end < len(stream) else contextlib.nullcontext():
            assert checked(*parts).finish_reason == "tool_calls"
    else:
        assert refused(*parts).code == "provider_bad_answer"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "index", "delta", "message", "usage", "content_block", "text"]), inner
        )
    ),
    max_leaves=8,
)
kinds = ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta"]


@given(st.lists(st.tuples(st.sampled_from([*kinds, "message_stop", "error"]), json_values), max_size=6))
def test_nothing_but_a_fault_comes_of_garbage(events: list[tuple[str, Any]]) -> None:
    parts = [
        message_event(kind, **(fields if isinstance(fields, dict) and "type" not in fields else {"index": 0}))
        for kind, fields in events
    ]
    with contextlib.suppress(ProviderFault):
        checked(*parts)
