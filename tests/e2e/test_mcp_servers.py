"""The routes of MCP servers on a real server."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.envelope import assert_refused
from tests.support.event_reader import event_stream
from tests.support.mcp_rig import HOSTILE
from tests.support.server import ServerProcess, running_server

SECRET = "hunter2-is-not-to-be-seen"
SERVERS = "/v1/mcp/servers"
EXTERNAL = {
    "endpoint_url": "https://mcp.example.com/mcp",
    "headers": {"Authorization": "secret://env/MCP_KEY"},
}
ODD_ARGS = ["-S", "-E", str(HOSTILE)]


def settings() -> dict[str, Any]:
    odd = {
        "command": sys.executable,
        "args": [*ODD_ARGS, "--leak", "KEY"],
        "env": {"KEY": "secret://env/MCP_KEY"},
    }
    agent = {"provider": "offline", "model": "planner", "tools": [], "mcp_servers": ["odd"]}
    return {
        "agents": {"a": agent},
        "mcp": {
            "servers": {"odd": odd, "gone": {"command": "/nowhere/at-all"}},
            "allowed_commands": [sys.executable],
            "allowed_images": ["registry.example.com/search:1"],
        },
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with running_server(tmp_path_factory.mktemp("mcp"), settings(), {"MCP_KEY": SECRET}) as running:
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx2.Client]:
    with server.client() as client:
        yield client


@pytest.fixture
def added(client: httpx2.Client) -> Iterator[dict[str, Any]]:
    answer = client.post(SERVERS, json={"name": "added", "json_spec": EXTERNAL})
    assert answer.status_code == 201, answer.text
    yield answer.json()
    client.delete(f"{SERVERS}/added")


def test_servers_of_the_settings_are_listed(client: httpx2.Client) -> None:
    data = client.get(SERVERS).json()["data"]
    assert [(each["name"], each["origin"], each["agents"]) for each in data] == [
        ("gone", "settings", []),
        ("odd", "settings", ["a"]),
    ]
    odd = data[1]
    assert odd["json_spec"]["env"] == {"KEY": "secret://env/MCP_KEY"}
    assert (odd["created_at"], odd["updated_at"]) == (None, None)
    assert client.get(odd["links"]["self"]).json()["json_spec"] == odd["json_spec"]


def test_a_server_is_started_asked_and_stopped(client: httpx2.Client) -> None:
    started = client.post(f"{SERVERS}/odd/start").json()
    assert (started["state"], started["protocol_version"], started["server_name"]) == (
        "running",
        "2025-11-25",
        "hostile",
    )
    tools = client.get(f"{SERVERS}/odd/tools").json()
    assert tools["error"] is None
    assert started["tools_count"] == len(tools["data"])
    echo = tools["data"][0]
    assert (echo["name"], echo["read_only"], echo["repeatable"]) == ("echo", True, True)
    assert client.post(f"{SERVERS}/odd/stop").json()["state"] == "stopped"
    kept_closed = client.get(f"{SERVERS}/odd/tools")
    assert kept_closed.status_code == 200
    assert kept_closed.json()["data"] == []
    assert kept_closed.json()["error"]["code"] == "mcp_unavailable"
    assert client.post(f"{SERVERS}/odd/start").json()["state"] == "running"


def test_a_server_that_does_not_start_says_why(client: httpx2.Client) -> None:
    answer = client.post(f"{SERVERS}/gone/start")
    assert answer.status_code == 200
    assert answer.json()["state"] == "failed"
    assert "/nowhere/at-all" in answer.json()["reason"]
    client.post(f"{SERVERS}/gone/stop")


def test_a_life_of_a_server_by_api(client: httpx2.Client, server: ServerProcess) -> None:
    with event_stream(server, types="mcp.server_created,mcp.server_updated,mcp.server_deleted") as reader:
        created = client.post(
            SERVERS, json={"name": "mine", "json_spec": EXTERNAL}, headers={"X-Request-ID": "one"}
        )
        assert created.status_code == 201
        assert created.headers["location"] == f"{SERVERS}/mine"
        assert (created.json()["origin"], created.json()["state"]) == ("api", "stopped")
        assert_refused(client.post(SERVERS, json={"name": "mine", "json_spec": EXTERNAL}), "server_exists")
        other = {"endpoint_url": "https://other.example.com/mcp", "headers": {}}
        updated = client.put(f"{SERVERS}/mine", json={"json_spec": other}, headers={"X-Request-ID": "two"})
        assert updated.json()["json_spec"] == other
        assert updated.json()["created_at"] == created.json()["created_at"]
        gone = client.delete(f"{SERVERS}/mine", headers={"X-Request-ID": "three"})
        assert (gone.status_code, gone.content) == (204, b"")
        for method in ("GET", "DELETE"):
            assert_refused(client.request(method, f"{SERVERS}/mine"), "unknown_server")
        assert_refused(client.put(f"{SERVERS}/mine", json={"json_spec": other}), "unknown_server")
        frames = [reader.next() for _ in range(3)]
    assert [(frame.event, frame.data["data"]["correlation_id"]) for frame in frames] == [
        ("mcp.server_created", "one"),
        ("mcp.server_updated", "two"),
        ("mcp.server_deleted", "three"),
    ]
    assert {frame.data["data"]["server"] for frame in frames} == {"mine"}
    entries = client.get("/v1/audit", params={"target_id": "mine"}).json()["data"]
    assert [entry["action"] for entry in entries] == ["server.delete", "server.update", "server.create"]


def test_starts_and_stops_carry_the_id_of_their_request(client: httpx2.Client, server: ServerProcess) -> None:
    client.post(f"{SERVERS}/odd/stop")
    with event_stream(server, types="mcp.server_started,mcp.server_stopped") as reader:
        client.post(f"{SERVERS}/odd/start", headers={"X-Request-ID": "begin"})
        client.post(f"{SERVERS}/odd/stop", headers={"X-Request-ID": "end"})
        frames = reader.until(lambda frame: frame.data["data"]["correlation_id"] == "end")
    told = [
        (frame.event, frame.data["data"]["server"], frame.data["data"]["correlation_id"]) for frame in frames
    ]
    # The end of the first one may still come here.
    assert told[-2:] == [("mcp.server_started", "odd", "begin"), ("mcp.server_stopped", "odd", "end")]
    client.post(f"{SERVERS}/odd/start")


@pytest.mark.parametrize(
    ("json_spec", "field", "said"),
    [
        ({"command": sys.executable, "image": "b"}, "json_spec", "must have exactly one of"),
        ({"command": sys.executable, "type": "stdio"}, "json_spec.type", "is not known here"),
        ({"command": 5}, "json_spec.command", "must be text"),
        (
            {"endpoint_url": "https://a", "headers": {"K": SECRET}},
            "json_spec.headers.K",
            "must be a reference",
        ),
        ({"command": sys.executable, "env": {"TOKEN": SECRET}}, "json_spec.env.TOKEN", "must be a reference"),
        ([], "json_spec", "must be a mapping"),
        (None, "json_spec", "must be a mapping"),
    ],
)
def test_a_bad_spec_is_refused_and_the_part_is_named(
    client: httpx2.Client, added: dict[str, Any], json_spec: Any, field: str, said: str
) -> None:
    for method, path, more in (
        ("POST", SERVERS, {"name": "bad"}),
        ("POST", f"{SERVERS}/check", {}),
        ("PUT", f"{SERVERS}/added", {}),
    ):
        answer = client.request(method, path, json={**more, "json_spec": json_spec})
        (problem,) = assert_refused(answer, "invalid_body")["details"]["problems"]
        assert (problem["in"], problem["field"]) == ("body", field)
        assert said in problem["message"]
        assert SECRET not in answer.text


@pytest.mark.parametrize("name", ["", "Bad", "a.b", "files", "x" * 64])
def test_a_bad_name_is_refused(client: httpx2.Client, name: str) -> None:
    answer = client.post(SERVERS, json={"name": name, "json_spec": EXTERNAL})
    assert assert_refused(answer, "invalid_body")["details"]["problems"][0]["field"] == "name"


@pytest.mark.parametrize(
    ("json_spec", "field"),
    [
        ({"command": "/bin/sh", "args": ["-c", "id"]}, "json_spec.command"),
        ({"command": "python3"}, "json_spec.command"),
        ({"image": "registry.example.com/search:2"}, "json_spec.image"),
        ({"command": sys.executable, "env": {"LD_PRELOAD": "secret://env/X"}}, "json_spec.env.LD_PRELOAD"),
        ({"command": sys.executable, "env": {"K": "secret://file//etc/passwd"}}, "json_spec.env.K"),
        (
            {"endpoint_url": "https://a", "headers": {"K": "secret://env/AIRBOSS_JWT_SECRET"}},
            "json_spec.headers.K",
        ),
    ],
)
def test_what_only_the_settings_may_hold_is_forbidden(
    client: httpx2.Client, json_spec: dict[str, Any], field: str
) -> None:
    for path, more in ((SERVERS, {"name": "bad"}), (f"{SERVERS}/check", {})):
        answer = client.post(path, json={**more, "json_spec": json_spec})
        (problem,) = assert_refused(answer, "forbidden")["details"]["problems"]
        assert problem["field"] == field


def test_what_the_settings_allow_may_be_started_by_api(client: httpx2.Client) -> None:
    spec = {"command": sys.executable, "args": ODD_ARGS, "env": {}}
    assert client.post(SERVERS, json={"name": "mine", "json_spec": spec}).status_code == 201
    assert client.post(f"{SERVERS}/mine/start").json()["state"] == "running"
    assert client.delete(f"{SERVERS}/mine").status_code == 204


def test_a_server_is_put_as_it_was_posted(client: httpx2.Client, added: dict[str, Any]) -> None:
    body = {"name": "added", "json_spec": EXTERNAL}
    assert client.put(f"{SERVERS}/added", json=body).status_code == 200
    assert_refused(client.put(f"{SERVERS}/added", json=body | {"name": "other"}), "invalid_body")


def test_servers_of_the_settings_stay_as_they_are(client: httpx2.Client) -> None:
    assert_refused(client.put(f"{SERVERS}/odd", json={"json_spec": EXTERNAL}), "forbidden")
    assert_refused(client.delete(f"{SERVERS}/odd"), "forbidden")
    assert_refused(client.post(SERVERS, json={"name": "odd", "json_spec": EXTERNAL}), "server_exists")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("GET", "/tools"), ("POST", "/start"), ("POST", "/stop"), ("DELETE", "")],
)
def test_an_unknown_server_is_told_with_those_there_are(
    client: httpx2.Client, method: str, path: str
) -> None:
    error = assert_refused(client.request(method, f"{SERVERS}/od{path}"), "unknown_server")
    assert "did you mean 'odd'?" in error["message"]
    assert error["details"]["servers"] == ["gone", "odd"]


def test_a_check_says_what_would_happen_and_keeps_nothing(client: httpx2.Client) -> None:
    spec = {"command": sys.executable, "args": ODD_ARGS, "env": {}}
    tried = client.post(f"{SERVERS}/check", json={"name": "mine", "json_spec": spec}).json()
    assert tried["ok"]
    assert tried["would"].startswith(f"starts the process {sys.executable} ")
    assert "echo" in [tool["name"] for tool in tried["tools"]]
    assert_refused(client.get(f"{SERVERS}/mine"), "unknown_server")
    failing = {"command": sys.executable, "args": [*ODD_ARGS, "--exit", "7"]}
    tried = client.post(f"{SERVERS}/check", json={"json_spec": failing}).json()
    assert (tried["ok"], tried["tools"], tried["error"]["code"]) == (False, [], "mcp_unavailable")
    assert_refused(client.post(f"{SERVERS}/check", json={"name": "odd", "json_spec": spec}), "server_exists")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://mcp.example.com/", "only https:// may be fetched"),
        ("https://127.0.0.1/mcp", "public"),
        ("https://[::1]/mcp", "public"),
        ("https://169.254.169.254/mcp", "public"),
    ],
)
def test_the_api_reaches_public_addresses_only(client: httpx2.Client, url: str, said: str) -> None:
    tried = client.post(f"{SERVERS}/check", json={"json_spec": {"endpoint_url": url}}).json()
    assert (tried["ok"], tried["error"]["code"]) == (False, "mcp_unavailable")
    assert said in tried["error"]["message"]


def test_no_answer_shows_a_secret(client: httpx2.Client, server: ServerProcess) -> None:
    client.post(f"{SERVERS}/odd/start")
    told = [client.get(path).text for path in (SERVERS, f"{SERVERS}/odd", f"{SERVERS}/odd/tools", "/metrics")]
    with event_stream(server, after=0) as reader:
        client.post(f"{SERVERS}/odd/stop", headers={"X-Request-ID": "last"})
        frames = reader.until(lambda frame: frame.data.get("data", {}).get("correlation_id") == "last")
    told.append(json.dumps([frame.data for frame in frames]))
    assert SECRET not in "".join(told)
    assert SECRET not in server.log


def test_what_was_added_outlives_the_process_and_what_is_allowed_no_more_is_barred(tmp_path: Path) -> None:
    wide = settings()
    spec = {"command": sys.executable, "args": ODD_ARGS, "env": {}}
    with running_server(tmp_path, wide, {"MCP_KEY": SECRET}) as first, first.client() as client:
        client.post(SERVERS, json={"name": "web-search", "json_spec": EXTERNAL})
        client.post(SERVERS, json={"name": "mine", "json_spec": spec})
        client.post(SERVERS, json={"name": "old", "json_spec": EXTERNAL})
        client.delete(f"{SERVERS}/old")
        before = client.get(SERVERS).json()["data"]
        assert first.stop() == 0
    with running_server(tmp_path, wide, {"MCP_KEY": SECRET}) as second, second.client() as client:
        after = client.get(SERVERS).json()["data"]
        assert [each["name"] for each in after] == ["gone", "mine", "odd", "web-search"]
        assert [each["json_spec"] for each in after] == [each["json_spec"] for each in before]
        assert client.post(f"{SERVERS}/mine/start").json()["state"] == "running"
        assert second.stop() == 0
    narrow = wide | {"mcp": wide["mcp"] | {"allowed_commands": []}}
    with running_server(tmp_path, narrow, {"MCP_KEY": SECRET}) as third, third.client() as client:
        mine = client.get(f"{SERVERS}/mine").json()
        assert mine["state"] == "failed"
        assert "is not in mcp.allowed_commands" in mine["reason"]
        assert_refused(client.post(f"{SERVERS}/mine/start"), "forbidden")
        assert client.get(f"{SERVERS}/mine/tools").json()["error"]["code"] == "mcp_unavailable"
        assert client.delete(f"{SERVERS}/mine").status_code == 204
