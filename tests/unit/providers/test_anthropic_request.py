"""Turns of the SDK as requests to the Messages API."""

import itertools
import json
from typing import Any

import pytest
from agents import Agent, FunctionTool, WebSearchTool, handoff
from hypothesis import given
from hypothesis import strategies as st

from airboss.providers.anthropic_native.request import (
    DEFAULT_MAX_TOKENS,
    messages_request,
    offered_tools,
)


def request(items: Any, instructions: str | None = None, **fields: Any) -> dict[str, Any]:
    values = {"tools": (), "max_tokens": None, **fields}
    return messages_request("claude", instructions, items, **values)


def messages(*items: Any) -> list[tuple[str, list[Any]]]:
    return [(each["role"], list(each["content"])) for each in request(list(items))["messages"]]


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def use(call_id: str, name: str, value: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": name, "input": value}


def result(call_id: str, value: str) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": value}


def user(value: Any) -> dict[str, Any]:
    return {"role": "user", "content": value}


def said(*texts: str) -> dict[str, Any]:
    content = [{"type": "output_text", "text": each, "annotations": []} for each in texts]
    return {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": content}


def call(call_id: str, arguments: str = "{}", name: str = "files_list") -> dict[str, Any]:
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}


def output(call_id: str, value: Any = "done") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": call_id, "output": value}


def thought(block: dict[str, Any], model: str = "claude") -> dict[str, Any]:
    data = {"model": model, "thinking_blocks": [block]}
    return {"type": "reasoning", "id": "r", "summary": [], "provider_data": data}


THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "s"}

CASES: dict[str, tuple[list[Any], list[tuple[str, list[Any]]]]] = {
    "a question": ([user("hi")], [("user", [text("hi")])]),
    "a question in parts": (
        [user([{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}])],
        [("user", [text("ab")])],
    ),
    "an answer": (
        [user("q"), said("a", "b"), user("r")],
        [("user", [text("q")]), ("assistant", [text("ab")]), ("user", [text("r")])],
    ),
    "two questions are one turn": ([user("a"), user("b")], [("user", [text("a"), text("b")])]),
    "an answer of no words is left out": ([user("a"), said(" \n")], [("user", [text("a")])]),
    "a refusal of another vendor's": (
        [{"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}],
        [("assistant", [text("no")])],
    ),
    "parallel calls and their results": (
        [user("q"), said("look"), call("a", '{"x": 1}'), call("b"), output("a"), output("b", "")],
        [
            ("user", [text("q")]),
            ("assistant", [text("look"), use("a", "files_list", {"x": 1}), use("b", "files_list", {})]),
            ("user", [result("a", "done"), result("b", "")]),
        ],
    ),
    "a result in parts": (
        [output("a", [{"type": "input_text", "text": "1"}, {"type": "input_text", "text": "2"}])],
        [("user", [result("a", "12")])],
    ),
    "ids and names of other servers": (
        [call("call.1", name="größe"), output("call.1")],
        [
            ("assistant", [use("call_1_e8b7b7b3", "gr__e_d353a267", {})]),
            ("user", [result("call_1_e8b7b7b3", "done")]),
        ],
    ),
    "no arguments": ([call("a", "")], [("assistant", [use("a", "files_list", {})])]),
    "arguments that are no JSON": (
        [call("a", '{"x": ')],
        [("assistant", [use("a", "files_list", {"INVALID_JSON": '{"x": '})])],
    ),
    "arguments that are no object": (
        [call("a", "[1]")],
        [("assistant", [use("a", "files_list", {"INVALID_JSON": "[1]"})])],
    ),
    "arguments that are too deep": (
        [call("a", "[" * 100_000)],
        [("assistant", [use("a", "files_list", {"INVALID_JSON": "[" * 100_000})])],
    ),
    "arguments that cannot be sent": (
        [call("a", '{"half": "\\ud83d", "none": NaN}')],
        [("assistant", [use("a", "files_list", {"half": "\ufffd", "none": "NaN"})])],
    ),
    "half a surrogate pair": ([said("a\ud83db")], [("assistant", [text("a\ufffdb")])]),
    "a thought goes back to whose it is": (
        [user("q"), thought(THOUGHT), call("a"), output("a")],
        [
            ("user", [text("q")]),
            ("assistant", [THOUGHT, use("a", "files_list", {})]),
            ("user", [result("a", "done")]),
        ],
    ),
    "a thought of another model": ([user("q"), thought(THOUGHT, "other")], [("user", [text("q")])]),
    "a thought of another vendor": (
        [user("q"), {"type": "reasoning", "id": "r", "summary": []}],
        [("user", [text("q")])],
    ),
}


@pytest.mark.parametrize(("items", "expected"), CASES.values(), ids=CASES)
def test_each_item_has_its_place(items: list[Any], expected: list[tuple[str, list[Any]]]) -> None:
    assert messages(*items) == expected


def test_the_least_a_request_has() -> None:
    assert request("hi") == {
        "model": "claude",
        "max_tokens": DEFAULT_MAX_TOKENS,
        "messages": [{"role": "user", "content": [text("hi")]}],
    }
    assert request("hi", max_tokens=7)["max_tokens"] == 7


def test_instructions_and_system_messages_are_the_system_prompt() -> None:
    items = [{"role": "developer", "content": "Be brief."}, user("hi"), {"role": "system", "content": "Now."}]
    asked = request(items, "You help.")
    assert asked["system"] == "You help.\n\nBe brief.\n\nNow."
    assert asked["messages"] == [{"role": "user", "content": [text("hi")]}]
    assert "system" not in request("hi", " ")


@pytest.mark.parametrize(
    "item",
    [
        user([{"type": "input_image", "image_url": "data:"}]),
        {"type": "computer_call", "id": "c"},
    ],
)
def test_what_cannot_be_told_is_not_left_out_in_silence(item: Any) -> None:
    with pytest.raises(NotImplementedError, match="cannot be told to Anthropic"):
        request([item])


async def never(*_: Any) -> str:
    raise AssertionError


def test_tools_and_handoffs_are_offered_alike() -> None:
    schema = {"type": "object", "properties": {"x": {}}, "additionalProperties": False}
    tools = [
        FunctionTool("files.list", "List.", schema, never, strict_json_schema=False),
        FunctionTool("bare", "", {}, never, strict_json_schema=False),
    ]
    offered = offered_tools(tools, [handoff(Agent("beta", handoff_description="Knows more."))])
    asked = request("hi", tools=offered)["tools"]
    assert [tool["name"] for tool in offered] == ["files.list", "bare", "transfer_to_beta"]
    assert [tool["name"] for tool in asked] == ["files_list_7e7aa135", "bare", "transfer_to_beta"]
    assert asked[0]["input_schema"] == schema
    assert asked[1]["input_schema"] == {"type": "object"}
    assert "Knows more." in asked[2]["description"]
    assert asked[2]["input_schema"]["type"] == "object"


def test_a_vendors_own_tool_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="no function"):
        offered_tools([WebSearchTool()], [])


names = st.text(min_size=1, max_size=80)
turns = st.lists(
    st.one_of(
        st.builds(user, st.text()),
        st.builds(said, st.text()),
        st.builds(thought, st.just(THOUGHT), st.sampled_from(["claude", "other"])),
        st.lists(st.tuples(names, names, st.text()), min_size=1, max_size=3, unique_by=lambda each: each[0]),
    ),
    max_size=8,
)


@given(turns)
def test_any_conversation_is_one_that_anthropic_takes(parts: list[Any]) -> None:
    """Roles take turns, each call has its result in the next message, and the whole can be sent."""
    items: list[Any] = []
    for part in parts:
        if isinstance(part, list):
            items += [call(call_id, arguments, name) for call_id, name, arguments in part]
            items += [output(call_id, arguments) for call_id, _, arguments in part]
        else:
            items.append(part)
    asked = request(items)["messages"]
    json.dumps(asked, ensure_ascii=False, allow_nan=False).encode()
    assert all(one["role"] != other["role"] for one, other in itertools.pairwise(asked))
    for number, message in enumerate(asked):
        calls = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
        if calls:
            results = [
                block["tool_use_id"]
                for block in asked[number + 1]["content"][: len(calls)]
                if block["type"] == "tool_result"
            ]
            assert results == calls
