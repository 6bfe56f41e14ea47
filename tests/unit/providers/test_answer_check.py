"""The check of a streamed answer, and that whatever comes is a whole answer or a fault of ours."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.wire_answers import APIS, CHAT, chat_chunk, response_body, response_event, wire_answer

from airboss.domain.providers import ProviderApi
from airboss.providers.answer_check import AnswerCheck
from airboss.providers.faults import ProviderFault

_SMALL = 1024 * 1024
in_both_apis = pytest.mark.parametrize("api", APIS)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def check(api: str, max_bytes: int = _SMALL) -> AnswerCheck:
    return AnswerCheck(ProviderApi(api), max_bytes)


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
    ends = whole.opening + b"".join(whole.words)
    checked = check(api)
    with pytest.raises(ProviderFault) as failed:
        checked.feed(ends[: data.draw(st.integers(0, len(ends)))])
        checked.end()
    assert failed.value.code == "provider_bad_answer"


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
    checked = check(api)
    try:
        checked.feed(b"data: " + json.dumps(payload).encode() + b"\n\n")
        checked.end()
    except ProviderFault as fault:
        assert fault.code == "provider_bad_answer"
    else:
        raise AssertionError(f"{payload!r} passed for an answer")


@given(raw=st.binary(max_size=200))
@in_both_apis
def test_whatever_the_bytes_are_the_error_is_ours(api: str, raw: bytes) -> None:
    with pytest.raises(ProviderFault):
        checked = check(api)
        checked.feed(b"data: " + raw)
        checked.end()


@given(delta=VALUES, finish=VALUES)
def test_whatever_a_choice_holds_the_error_is_ours(delta: Any, finish: Any) -> None:
    checked = check(CHAT)
    try:
        checked.feed(chat_chunk(delta, finish))
        checked.end()
    except ProviderFault as fault:
        assert fault.code in ("provider_bad_answer", "provider_rejected")


@given(output=VALUES, details=VALUES)
def test_whatever_a_response_holds_the_error_is_ours(output: Any, details: Any) -> None:
    checked = check("responses")
    body = response_body(output, incomplete_details=details)
    try:
        checked.feed(response_event("response.completed", response=body))
        checked.end()
    except ProviderFault as fault:
        assert fault.code in ("provider_bad_answer", "provider_rejected")
