"""Names on the wire: what every provider takes, no two alike, the same in every run."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airboss.domain.tool_names import wire_name, wire_names

ACCEPTED = re.compile(r"[A-Za-z0-9_-]{1,64}")


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("files.list", "files_list"),
        ("git.git_status", "git_git_status"),
        ("a" * 32 + "." + "b" * 31, "a" * 32 + "_" + "b" * 31),
    ],
)
def test_what_providers_take_is_kept(name: str, wire: str) -> None:
    assert wire_name(name) == wire


@pytest.mark.parametrize(
    "name", ["git.status now", "git.status/now", "git.größe", "git." + "x" * 61, "git.a\ud800"]
)
def test_what_they_refuse_ends_with_a_hash(name: str) -> None:
    wire = wire_name(name)
    assert ACCEPTED.fullmatch(wire)
    assert re.search(r"_[0-9a-f]{8}$", wire)
    assert wire == wire_name(name)


def test_two_that_would_be_one_are_told_apart_in_any_order() -> None:
    names = ["a.b_c", "a_b.c", "a.d"]
    wired = wire_names(names)
    assert len(set(wired.values())) == 3
    assert wired["a.d"] == "a_d", "who is alike to nobody keeps the plain name"
    assert dict(wire_names(names[::-1])) == dict(wired)


def test_a_server_cannot_take_a_hashed_name() -> None:
    hashed = wire_names(["a.b_c", "a_b.c"])["a_b.c"]
    wired = wire_names(["a.b_c", "a_b.c", hashed.replace("_", ".", 1)])
    assert len(set(wired.values())) == 3


@given(st.sets(st.text(min_size=1, max_size=100), max_size=20))
def test_whatever_the_names_are(names: set[str]) -> None:
    wired = wire_names(names)
    assert set(wired) == names
    assert len(set(wired.values())) == len(names)
    assert all(ACCEPTED.fullmatch(wire) for wire in wired.values())
