"""What is left of a text before it is written to a terminal."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airboss.cli import terminal
from airboss.cli.terminal import clean

_ANYTHING = st.text(st.one_of(st.characters(), st.sampled_from("\x1b\x9b\x9d[]m;0\x07\\\x9c")))


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("plain, ünïcode, 漢字, 🙂", "plain, ünïcode, 漢字, 🙂"),
        ("lines\n\tand tabs", "lines\n\tand tabs"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1bP1$r\x1b\\after", "after"),
        ("\x1bcreset", "reset"),
        ("\x1b(0lines", "lines"),
        ("a\rb\r\nc", "ab\nc"),
        ("back\x08\x7f\x00bell\x07", "backbell"),
        ("\u202egnp.exe", "gnp.exe"),
        ("cut off \x1b[3", "cut off 3"),
        ("cut off \x1b]0;title", "cut off 0;title"),
    ],
)
def test_sequences_go_and_text_stays(text: str, left: str) -> None:
    assert clean(text) == left


@given(_ANYTHING)
def test_nothing_is_left_that_a_terminal_obeys(text: str) -> None:
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", clean(text))


@given(st.recursive(_ANYTHING, lambda inner: st.lists(inner) | st.dictionaries(_ANYTHING, inner)))
def test_json_is_escaped_and_stays_what_it_was(document: object) -> None:
    line = terminal.json_line(json.dumps(document, ensure_ascii=False))
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", line)
    assert json.loads(line) == document
