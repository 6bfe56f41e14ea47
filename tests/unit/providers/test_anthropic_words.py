"""Names and ids on Anthropic's wire."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airboss.providers.anthropic_native.wire_words import wire_word

ALLOWED = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@pytest.mark.parametrize("name", ["files_list", "transfer_to_beta", "toolu_01A-b", "a" * 64])
def test_what_fits_stays_as_it_is(name: str) -> None:
    assert wire_word(name) == name


@pytest.mark.parametrize("name", ["", "a.b", "größe", "a b", "a" * 65, "a\n", "\ud800"])
def test_what_does_not_fit_is_told_apart_by_its_digest(name: str) -> None:
    assert ALLOWED.fullmatch(wire_word(name))
    assert wire_word(name) != wire_word(name + ".")


@given(st.lists(st.text(max_size=80), unique=True, max_size=20))
def test_every_name_has_a_word_of_its_own(names: list[str]) -> None:
    words = [wire_word(name) for name in names]
    assert all(ALLOWED.fullmatch(word) for word in words)
    assert len(set(words)) == len(names)
    assert [wire_word(word) for word in words] == words
