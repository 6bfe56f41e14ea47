"""What a result becomes."""

import pytest
from mcp_types import CallToolResult, ImageContent, TextContent

from airboss.mcp.results import answer_of, bounded


def text(words: str) -> TextContent:
    return TextContent(type="text", text=words)


def test_texts_are_joined() -> None:
    assert answer_of(CallToolResult(content=[text("a"), text("b")]), 100) == "a\nb"


def test_a_structured_answer_stands_for_its_copy_in_text() -> None:
    result = CallToolResult(content=[text('{"a": 1}')], structured_content={"a": 1})
    assert answer_of(result, 100) == {"a": 1}


def test_a_structured_answer_over_the_limit_is_cut_as_text() -> None:
    result = CallToolResult(content=[], structured_content={"a": "x" * 50})
    assert answer_of(result, 20) == '{"a": "xxxxxxxxxxxxx\n[truncated: 20 of 59 bytes]'


def test_what_stands_beside_a_structured_answer_is_told() -> None:
    image = ImageContent(type="image", data="aGk=", mime_type="image/png")
    result = CallToolResult(content=[image], structured_content={"a": 1})
    assert answer_of(result, 100) == '{"a": 1}\n[image image/png, 2 bytes, not shown]'


@pytest.mark.parametrize(
    ("given", "cut"),
    [("abc", "abc"), ("éé", "é\n[truncated: 2 of 4 bytes]"), ("\ud800", "?")],
)
def test_text_is_cut_between_characters(given: str, cut: str) -> None:
    assert bounded(given, 3) == cut
