"""What a json_spec describes, and what is said of one that describes nothing."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airboss.domain.json_spec import (
    MAX_TEXT_CHARACTERS,
    JsonSpecError,
    name_problem,
    parse_json_spec,
    to_json_spec,
)
from airboss.domain.mcp_servers import ContainerSpec, ExternalSpec, ProcessSpec, ServerSpec
from airboss.security.secrets import REFERENCE_FORMS, is_reference

TOKEN = "secret://env/TOKEN"
SECRET = f"must be a reference to the secret, not the secret: {REFERENCE_FORMS}"


def parse(spec: object) -> ServerSpec:
    return parse_json_spec(spec, is_reference, REFERENCE_FORMS)


def problems(spec: object) -> dict[str, str]:
    with pytest.raises(JsonSpecError) as refused:
        parse(spec)
    return {".".join(problem.path): problem.text for problem in refused.value.problems}


@pytest.mark.parametrize(
    ("spec", "meant"),
    [
        (
            {"endpoint_url": "https://mcp.example/mcp", "headers": {"Authorization": TOKEN}},
            ExternalSpec("https://mcp.example/mcp", {"Authorization": TOKEN}),
        ),
        ({"endpoint_url": "http://127.0.0.1:9000"}, ExternalSpec("http://127.0.0.1:9000", {})),
        ({"endpoint_url": "http://[::1]:9000/mcp?v=1"}, ExternalSpec("http://[::1]:9000/mcp?v=1", {})),
        (
            {"command": "uvx", "args": ["mcp-server-git", ""], "env": {"GIT_TOKEN": TOKEN}},
            ProcessSpec("uvx", ("mcp-server-git", ""), {"GIT_TOKEN": TOKEN}),
        ),
        ({"command": "/opt/server"}, ProcessSpec("/opt/server", (), {})),
        (
            {"image": "ghcr.example/server:1@sha256:ab", "env": {}},
            ContainerSpec("ghcr.example/server:1@sha256:ab", {}),
        ),
    ],
)
def test_what_a_server_is_follows_from_its_keys(spec: dict[str, Any], meant: ServerSpec) -> None:
    assert parse(spec) == meant
    assert parse(to_json_spec(meant)) == meant


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (5, {"": "must be a mapping"}),
        ({}, {"": "must have exactly one of endpoint_url, command and image"}),
        ({"command": "a", "image": "b"}, {"": "must have exactly one of endpoint_url, command and image"}),
        ({"command": "a", "arg": []}, {"arg": "is not known here; did you mean 'args'?"}),
        ({"command": "a", "type": "stdio"}, {"type": "is not known here; there are: args, command, env"}),
        (
            {"url": "https://a"},
            {
                "": "must have exactly one of endpoint_url, command and image",
                "url": "is not known here; did you mean 'endpoint_url'?",
            },
        ),
        (
            {"image": "b", "args": ["--privileged"]},
            {"args": "is not known here; there are: env, image"},
        ),
        (
            {"image": "--privileged"},
            {"image": "must be the name of an image, such as registry.example/name:tag"},
        ),
        ({"command": ""}, {"command": f"must be text of 1 to {MAX_TEXT_CHARACTERS} characters"}),
        ({"command": ["a"]}, {"command": f"must be text of 1 to {MAX_TEXT_CHARACTERS} characters"}),
        ({"command": "a\0b"}, {"command": f"must be text of 1 to {MAX_TEXT_CHARACTERS} characters"}),
        ({"command": "a", "args": "-v"}, {"args": "must be a list of at most 256 texts"}),
        ({"command": "a", "args": ["-v", 5]}, {"args.1": "must be text of at most 4096 characters"}),
        (
            {"command": "a", "env": ["hunter2"]},
            {"env": "must be a mapping of names to texts, secrets as references"},
        ),
        ({"command": "a", "env": {"KEY": "hunter2"}}, {"env.KEY": SECRET}),
        ({"command": "a", "env": {"GITHUB_PAT": "ghp_" + "a1B2" * 9}}, {"env.GITHUB_PAT": SECRET}),
        ({"command": "a", "env": {"DSN": "postgres://u:p@h/db"}}, {"env.DSN": SECRET}),
        ({"command": "a", "env": {"X": "Bearer hunter2"}}, {"env.X": SECRET}),
        ({"command": "a", "env": {"X": "secret://nowhere/x"}}, {"env.X": SECRET}),
        (
            {"command": "a", "env": {"X": 5}},
            {"env.X": f"must be text of at most {MAX_TEXT_CHARACTERS} printable characters"},
        ),
        (
            {"endpoint_url": "https://a", "headers": {"X-Team": "a\r\nHost: b"}},
            {"headers.X-Team": f"must be text of at most {MAX_TEXT_CHARACTERS} printable characters"},
        ),
        ({"command": "a", "env": {"A B": TOKEN}}, {"env.A B": "is no name for a variable"}),
        (
            {"endpoint_url": "https://a", "headers": {"X-Key": "Bearer hunter2"}},
            {"headers.X-Key": SECRET},
        ),
        (
            {"endpoint_url": "https://a", "headers": {"X Key": TOKEN}},
            {"headers.X Key": "is no name for a header"},
        ),
        (
            {"endpoint_url": "https://a", "headers": {"Host": TOKEN}},
            {"headers.Host": "is set by the connection itself; leave it out"},
        ),
        (
            {"endpoint_url": "https://a", "headers": {"X-A": TOKEN, "x-a": TOKEN}},
            {"headers.x-a": "stands twice: upper and lower case are the same in headers"},
        ),
        (
            {"endpoint_url": "https://a/mcp?api_key=hunter2"},
            {"endpoint_url": "must hold no secret; put it into headers, as a reference"},
        ),
    ],
)
def test_every_bad_part_is_named(spec: object, said: dict[str, str]) -> None:
    assert problems(spec) == said


@pytest.mark.parametrize("value", ["", "debug", "UTC", "/srv/code", "a b, c", "https://example.com/x"])
def test_what_is_no_secret_may_stand_as_it_is(value: str) -> None:
    spec = {"command": "a", "args": [], "env": {"LOG_LEVEL": value, "TOKEN": TOKEN}}
    assert to_json_spec(parse(spec)) == spec
    headers = {"endpoint_url": "https://a", "headers": {"X-Team": value}}
    assert to_json_spec(parse(headers)) == headers


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a",
        "ftp://a",
        "http://",
        "http://u:p@h/",
        "https://h/#f",
        "http://h:0/",
        "http://h:x/",
        "http://a b",
        5,
    ],
)
def test_an_endpoint_is_a_web_address(url: object) -> None:
    assert list(problems({"endpoint_url": url})) == ["endpoint_url"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["endpoint_url", "command", "image", "args", "env", "headers", "hunter2"]),
                inner,
            )
        ),
        max_leaves=10,
    )
)
def test_whatever_is_given_is_read_or_refused(spec: Any) -> None:
    try:
        read = parse(spec)
    except JsonSpecError:
        return
    assert parse(to_json_spec(read)) == read


def test_a_refusal_does_not_repeat_a_value() -> None:
    with pytest.raises(JsonSpecError) as refused:
        parse({"command": "a", "env": {"K": "hunter2"}, "args": [{"hunter2": 1}], "image": 5})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("name", ["git", "a-b_c", "0"])
def test_names_of_servers(name: str) -> None:
    assert name_problem(name) is None


@pytest.mark.parametrize("name", ["", "Git", "a.b", "-a", "a" * 64, "files", "web", "mcp", "a\n"])
def test_names_that_are_none(name: str) -> None:
    assert name_problem(name) is not None
