"""The check of a streamed answer, and that whatever comes is a whole answer or a fault of ours."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wire_answers import (
    APIS,
    CHAT,
    RESPONSES,
    chat_chunk,
    response_body,
    response_event,
    wire_answer,
)

from airboss.domain.providers import ProviderApi
from airboss.providers.answer_check import AnswerCheck
from airboss.providers.faults import ProviderFault

_SMALL = 1024 * 1024
OURS = (None, "provider_bad_answer", "provider_rejected")
in_both_apis = pytest.mark.parametrize("api", APIS)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def check(api: str, max_bytes: int = _SMALL) -> AnswerCheck:
    return AnswerCheck(ProviderApi(api), max_bytes)


def code_of(api: str, *sent: bytes) -> str | None:
    """Return the code of the fault, None for a whole answer; anything else raised is a bug."""
    checked = check(api)
    try:
        for part in sent:
            checked.feed(part)
        checked.end()
    except ProviderFault as fault:
        return fault.code
    return None


def parts(whole: bytes, size: int) -> list[bytes]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


@in_both_apis
@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
@pytest.mark.parametrize("tool", [False, True])
def test_a_whole_answer_passes_however_it_is_cut(api: str, size: int, tool: bool) -> None:
    checked = check(api)
    for part in parts(wire_answer(api, tool=tool).whole, size):
        checked.feed(part)
    checked.end()
    assert checked.finish_reason in ("stop", "tool_calls")
    assert checked.has_output


@in_both_apis
@given(data=st.data())
def test_a_cut_answer_never_passes(api: str, data: st.DataObject) -> None:
    whole = wire_answer(api)
    before_the_end = whole.opening + b"".join(whole.words)
    cut = data.draw(st.integers(0, len(before_the_end)))
    assert code_of(api, before_the_end[:cut]) == "provider_bad_answer"


@in_both_apis
def test_an_answer_may_be_as_long_as_it_may_be(api: str) -> None:
    whole = wire_answer(api).whole
    checked = check(api, len(whole))
    checked.feed(whole)
    checked.end()
    with pytest.raises(ProviderFault, match="max_answer_bytes"):
        check(api, len(whole) - 1).feed(whole)


def test_done_without_a_finish_is_a_fault_before_the_body_ends() -> None:
    whole = wire_answer(CHAT, finish="")
    checked = check(CHAT)
    checked.feed(whole.opening + b"".join(whole.words) + whole.closing)
    with pytest.raises(ProviderFault, match="without a finish reason"):
        checked.feed(whole.done)


@in_both_apis
def test_each_fault_is_an_exception_of_its_own(api: str) -> None:
    """One that is shared would gather the frames of everybody who raised it."""
    seen = []
    for _ in range(2):
        with pytest.raises(ProviderFault) as failed:
            check(api).feed(wire_answer(api, finish="content_filter").whole)
        seen.append(failed.value)
    assert seen[0] is not seen[1]


@in_both_apis
@given(payload=VALUES)
def test_whatever_an_event_is_the_error_is_ours(api: str, payload: Any) -> None:
    assert code_of(api, b"data: " + json.dumps(payload).encode() + b"\n\n") == "provider_bad_answer"


@given(raw=st.binary(max_size=200))
@in_both_apis
def test_whatever_the_bytes_are_the_error_is_ours(api: str, raw: bytes) -> None:
    assert code_of(api, b"data: " + raw) == "provider_bad_answer"


@given(delta=VALUES, finish=VALUES)
def test_whatever_a_choice_holds_the_error_is_ours(delta: Any, finish: Any) -> None:
    assert code_of(CHAT, chat_chunk(delta, finish)) in OURS


@given(output=VALUES, details=VALUES)
def test_whatever_a_response_holds_the_error_is_ours(output: Any, details: Any) -> None:
    body = response_body(output, incomplete_details=details)
    assert code_of(RESPONSES, response_event("response.completed", response=body)) in OURS
