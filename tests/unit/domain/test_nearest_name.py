"""What is suggested to who wrote a name that is not there, and what is not."""

import pytest

from airboss.domain.nearest_name import nearest_name, suggestion

AGENTS = ("offline", "assistant", "reviewer")
TOOLS = ("files.list", "files.read", "web.fetch", "mcp.call")
KEYS = ("max_attempts", "base_url", "api_key", "models_ttl_seconds", "port", "timeouts")


@pytest.mark.parametrize(
    ("written", "known", "meant"),
    [
        ("ofline", AGENTS, "offline"),
        ("Offline", AGENTS, "offline"),
        ("reviewr", AGENTS, "reviewer"),
        ("files.raed", TOOLS, "files.read"),
        ("file.list", TOOLS, "files.list"),
        ("prot", KEYS, "port"),
        ("timeout", KEYS, "timeouts"),
        ("attempts", KEYS, "max_attempts"),
        ("url", KEYS, "base_url"),
        ("fetch", TOOLS, "web.fetch"),
    ],
)
def test_what_is_spelled_alike_or_is_a_part_of_it_is_meant(
    written: str, known: tuple[str, ...], meant: str
) -> None:
    assert nearest_name(written, known) == meant


@pytest.mark.parametrize(
    ("written", "known"),
    [
        ("off", AGENTS),
        ("test", AGENTS),
        ("", AGENTS),
        ("web.search", TOOLS),
        ("file.delete", TOOLS),
        ("shell", TOOLS),
        ("seconds_max", KEYS),
        ("temperature", KEYS),
        ("anything", ()),
        ("x" * 100_000, AGENTS),
    ],
)
def test_what_is_not_alike_suggests_nothing(written: str, known: tuple[str, ...]) -> None:
    assert nearest_name(written, known) is None


def test_a_part_that_many_names_have_suggests_none_of_them() -> None:
    assert nearest_name("seconds", ("connect_seconds", "attempt_seconds")) is None


def test_without_a_likely_name_all_are_told() -> None:
    assert suggestion("ofline", AGENTS) == "did you mean 'offline'?"
    assert suggestion("test", AGENTS) == "there are: offline, assistant, reviewer"
    assert suggestion("test", ()) == "there are: none"
