"""Agents with tools of MCP servers: a real server process, real servers behind it, a provider that calls tools."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import ended, run, spawn
from tests.support.calling_provider import CallingProvider, call, calling_provider, script
from tests.support.event_reader import event_stream
from tests.support.mcp_rig import HOSTILE
from tests.support.server import ServerProcess, running_server, start_server

HANG = script([call("odd_hang")])


@pytest.fixture(scope="module")
def provider() -> Iterator[CallingProvider]:
    with calling_provider() as running:
        yield running


def odd(*flags: str) -> dict[str, Any]:
    return {"command": sys.executable, "args": ["-S", "-E", str(HOSTILE), *flags]}


def agent(**fields: Any) -> dict[str, Any]:
    return {"provider": "calling", "model": "calling", "tools": [], "mcp_servers": ["odd"]} | fields


def settings_of(provider: CallingProvider, agents: dict[str, Any], **servers: Any) -> dict[str, Any]:
    return {
        "providers": {"calling": {"kind": "openai_compatible", "base_url": provider.base_url}},
        "agents": agents,
        "mcp": {"servers": servers or {"odd": odd()}},
    }


@contextmanager
def serving(
    folder: Path, provider: CallingProvider, agents: dict[str, Any], **servers: Any
) -> Iterator[tuple[ServerProcess, httpx2.Client]]:
    settings = settings_of(provider, agents, **servers)
    with running_server(folder, settings) as server, server.client() as client:
        yield server, client


def events(client: httpx2.Client, job_id: str, kind: str) -> list[dict[str, Any]]:
    page = client.get(f"/v1/jobs/{job_id}/events", params={"limit": 200}).json()
    return [event["data"] for event in page["data"] if event["type"] == kind]


def answers(job: dict[str, Any]) -> list[dict[str, Any]]:
    assert job["state"] == "completed", job
    return [json.loads(answer) for answer in json.loads(job["output"])]


def until_hanging(server: ServerProcess, job_id: str) -> None:
    """Wait until a call of `hang` has arrived at its server, which it tells as progress."""
    with event_stream(server, f"/v1/jobs/{job_id}/events") as reader:
        reader.until_type("job.progressed")


def server_state(client: httpx2.Client, name: str = "odd") -> str:
    state: str = client.get(f"/v1/mcp/servers/{name}").json()["state"]
    return state


def test_a_tool_is_called_through_the_whole_server(tmp_path: Path, provider: CallingProvider) -> None:
    with serving(tmp_path, provider, {"a": agent()}) as (_, client):
        assert server_state(client) == "stopped", "nothing is started before it is used"
        job = run(client, "a", script([call("odd_echo", text="hello")]))
        assert answers(job) == [{"data_from_tool": "odd.echo", "result": "hello"}]
        assert server_state(client) == "running"
        (called,) = events(client, job["id"], "tool.called")
        assert called["tool"] == "odd.echo"
        metrics = client.get("/metrics").text
        assert 'airboss_mcp_calls_total{outcome="ok",server="odd"} 1.0' in metrics
        assert 'airboss_mcp_server_state{server="odd"} 2.0' in metrics


def test_nothing_of_mcp_is_loaded_before_it_is_used(tmp_path: Path, provider: CallingProvider) -> None:
    with serving(tmp_path, provider, {"a": agent()}) as (server, client):
        assert "mcp.loaded" not in server.log
        run(client, "a", script([call("odd_echo", text="hello")]))
        assert server.log.count('"mcp.loaded"') == 1


def test_progress_reaches_the_stream_of_the_job(tmp_path: Path, provider: CallingProvider) -> None:
    with serving(tmp_path, provider, {"a": agent()}) as (_, client):
        job = run(client, "a", script([call("odd_flood", count=500)]))
        assert answers(job)[0]["result"] == "flooded"
        told = events(client, job["id"], "job.progressed")
        assert 1 <= len(told) < 100, "a flood is thinned out"
        assert told[0]["message"].startswith("step ")
        assert 0 <= told[-1]["fraction"] <= 1


def test_a_cancel_ends_a_call_that_hangs_and_the_connection_stays(
    tmp_path: Path, provider: CallingProvider
) -> None:
    with serving(tmp_path, provider, {"a": agent()}) as (server, client):
        job = spawn(client, "a", HANG)
        until_hanging(server, job["id"])
        began = time.monotonic()
        assert client.post(f"/v1/jobs/{job['id']}/cancel").status_code == 202
        assert ended(client, job["id"])["state"] == "cancelled"
        assert time.monotonic() - began < 1.0
        before = client.get("/v1/mcp/servers/odd").json()
        assert before["state"] == "running"
        # The server was told, and answers the next call over the same connection.
        job = run(client, "a", script([call("odd_cancelled")]))
        assert len(json.loads(answers(job)[0]["result"])) == 1
        after = client.get("/v1/mcp/servers/odd").json()
        assert (after["since"], after["restarts"]) == (before["since"], 0)


def test_kill_9_with_a_call_in_flight_that_may_not_be_repeated(
    tmp_path: Path, provider: CallingProvider
) -> None:
    settings = settings_of(provider, {"a": agent()})
    server = start_server(tmp_path, settings)
    with server.client() as client:
        job = spawn(client, "a", HANG)
        until_hanging(server, job["id"])
        server.kill()
    with running_server(tmp_path, settings) as server, server.client() as client:
        job = ended(client, job["id"])
        assert (job["state"], job["error"]["code"]) == ("failed", "outcome_unknown")
        assert job["error"]["details"]["tool"] == "odd.hang"
        assert len(events(client, job["id"], "tool.called")) == 1


def test_kill_9_behind_an_answered_call_does_not_repeat_it(tmp_path: Path, provider: CallingProvider) -> None:
    settings = settings_of(provider, {"a": agent()})
    server = start_server(tmp_path, settings)
    with server.client() as client:
        job = spawn(client, "a", script([call("odd_fail", text="once")], [call("odd_hang")]))
        until_hanging(server, job["id"])
        server.kill()
    with running_server(tmp_path, settings) as server, server.client() as client:
        ended(client, job["id"])
        assert [data["replayed"] for data in events(client, job["id"], "tool.failed") if "replayed" in data][
            -1
        ]
        assert [data["tool"] for data in events(client, job["id"], "tool.called")] == ["odd.fail", "odd.hang"]


@pytest.mark.parametrize("flags", [[], ["--stubborn"]], ids=["obedient", "stubborn"])
def test_a_drain_ends_the_servers_within_its_time(
    tmp_path: Path, provider: CallingProvider, flags: list[str]
) -> None:
    settings = settings_of(provider, {"a": agent()}, odd=odd(*flags)) | {
        "server": {"shutdown_grace_seconds": 1}
    }
    server = start_server(tmp_path, settings)
    with server.client() as client:
        job = spawn(client, "a", HANG)
        until_hanging(server, job["id"])
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 2.5, "grace and a second, with room for a busy machine"
    with running_server(tmp_path, settings) as server, server.client() as client:
        job = ended(client, job["id"])
        assert job["error"]["code"] == "outcome_unknown", (
            "it was interrupted in a call that may not be repeated"
        )
        (interrupted,) = events(client, job["id"], "job.interrupted")
        assert interrupted["reason"] == "draining"


def test_a_server_that_cannot_be_used_fails_its_agents_jobs_and_no_others(
    tmp_path: Path, provider: CallingProvider
) -> None:
    agents = {"a": agent(mcp_servers=["broken"]), "b": agent()}
    with serving(tmp_path, provider, agents, odd=odd(), broken=odd("--exit", "7")) as (_, client):
        job = run(client, "a", script([call("broken_echo")]))
        assert (job["state"], job["error"]["code"], job["error"]["type"]) == (
            "failed",
            "mcp_unavailable",
            "tool",
        )
        assert job["error"]["details"]["server"] == "broken"
        assert "7" in job["error"]["details"]["reason"]
        assert job["usage"]["requests"] == 0
        assert run(client, "b", script([call("odd_echo")]))["state"] == "completed"


def test_a_server_whose_command_is_not_there_says_so_and_what_to_do(
    tmp_path: Path, provider: CallingProvider
) -> None:
    agents = {"a": agent(mcp_servers=["missing"])}
    with serving(tmp_path, provider, agents, missing={"command": "no-such-server"}) as (_, client):
        error = run(client, "a", script([call("missing_echo")]))["error"]
    assert error["code"] == "mcp_unavailable"
    assert "the command no-such-server was not found in /usr/local/sbin:" in error["message"]
    assert error["message"].endswith("; install it there, or give its absolute path")


def test_retry_on_starts_the_job_again(tmp_path: Path, provider: CallingProvider) -> None:
    agents = {
        "a": agent(
            mcp_servers=["broken"], retry_on=["mcp_unavailable"], retry_delay_seconds=0, max_attempts=2
        )
    }
    with serving(tmp_path, provider, agents, broken=odd("--exit", "7")) as (_, client):
        job = run(client, "a", script([call("broken_echo")]))
        assert (job["state"], job["error"]["code"], job["attempt"]) == ("failed", "mcp_unavailable", 2)
        assert [data["code"] for data in events(client, job["id"], "job.retry_scheduled")] == [
            "mcp_unavailable"
        ]


def test_a_server_that_dies_under_a_call_fails_the_job_and_is_started_again(
    tmp_path: Path, provider: CallingProvider
) -> None:
    with serving(tmp_path, provider, {"a": agent()}) as (_, client):
        job = run(client, "a", script([call("odd_die")]))
        assert (job["state"], job["error"]["code"]) == ("failed", "mcp_unavailable")
        assert run(client, "a", script([call("odd_echo")]))["state"] == "completed"


def test_the_generic_tool_is_there_only_where_it_is_named(tmp_path: Path, provider: CallingProvider) -> None:
    agents = {"a": agent(), "b": agent(tools=["mcp.call"])}
    generic = call("mcp_call", server="odd", tool="echo", arguments={"text": "hi"})
    with serving(tmp_path, provider, agents) as (_, client):
        run(client, "a", script([call("odd_echo")]))
        assert "mcp_call" not in provider.offered()
        job = run(client, "b", script([generic]))
        assert answers(job) == [{"data_from_tool": "mcp.call", "result": "hi"}]
