"""Agents with MCP servers that others wrote, over stdio."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support import mcp_peers
from tests.support.api_jobs import event_types, spawn
from tests.support.calling_provider import CallingProvider, call, calling_provider, script
from tests.support.server import running_server

from airboss.domain.json_spec import to_json_spec

#: What a git that is started by tests needs to know, and nothing of this machine's own settings.
GIT = (
    "git",
    "-c",
    "user.name=someone",
    "-c",
    "user.email=someone@example.com",
    "-c",
    "init.defaultBranch=main",
)


@pytest.fixture(scope="module")
def provider() -> Iterator[CallingProvider]:
    with calling_provider() as running:
        yield running


def run_patiently(client: httpx2.Client, agent: str, text: str) -> dict[str, Any]:
    """Run a job: servers of two languages and the SDK take longer to start on a busy machine than a wait may."""
    job = spawn(client, agent, text)
    for _ in range(3):
        job = client.get(f"/v1/jobs/{job['id']}/wait", params={"timeout_seconds": 25}).json()
        if job["finished_at"] is not None:
            break
    return job


def repository(folder: Path) -> Path:
    folder.mkdir()
    (folder / "notes.txt").write_text("The release is on Friday.\n")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "The first notes"]):
        subprocess.run([*GIT, *arguments], cwd=folder, check=True, capture_output=True)
    return folder


def test_an_agent_uses_three_servers_in_one_job(tmp_path: Path, provider: CallingProvider) -> None:
    repo = repository(tmp_path / "repo")
    servers = {
        "time": to_json_spec(mcp_peers.time_server()),
        "git": to_json_spec(mcp_peers.git_server(repo)),
        "filesystem": to_json_spec(mcp_peers.filesystem(repo)),
    }
    settings: dict[str, Any] = {
        "providers": {"calling": {"kind": "openai_compatible", "base_url": provider.base_url}},
        "agents": {
            "a": {
                "provider": "calling",
                "model": "calling",
                "tools": ["files.list"],
                "mcp_servers": list(servers),
            }
        },
        "mcp": {"servers": servers},
    }
    asked = script(
        [
            call("time_convert_time", source_timezone="UTC", time="12:00", target_timezone="Asia/Tokyo"),
            call("git_git_log", repo_path=str(repo)),
            call("filesystem_read_text_file", path=str(repo / "notes.txt")),
        ],
        [call("git_git_status", repo_path=str(repo)), call("filesystem_read_text_file", path="/etc/passwd")],
        [call("time_get_current_time", timezone=5)],
    )
    with running_server(tmp_path / "server", settings) as server, server.client() as client:
        job = run_patiently(client, "a", asked)
        assert job["state"] == "completed", job
        told = [json.loads(answer) for answer in json.loads(job["output"])]
        assert [each["data_from_tool"] for each in told] == [
            "time.convert_time",
            "git.git_log",
            "filesystem.read_text_file",
            "git.git_status",
            "filesystem.read_text_file",
            "time.get_current_time",
        ]
        assert "21:00" in json.dumps(told[0]["result"])
        assert "The first notes" in json.dumps(told[1]["result"])
        assert "The release is on Friday." in json.dumps(told[2]["result"])
        assert "nothing to commit" in json.dumps(told[3]["result"])
        assert "outside allowed directories" in told[4]["error"]["message"]
        assert told[5]["error"]["code"] == "invalid_arguments", "checked here, and not sent"
        assert event_types(client, job["id"]).count("tool.answered") == 4
        listed = client.get("/v1/mcp/servers").json()["data"]
        assert [(each["name"], each["state"], each["agents"]) for each in listed] == [
            (name, "running", ["a"]) for name in sorted(servers)
        ]
        tools = client.get("/v1/mcp/servers/filesystem/tools").json()["data"]
        repeatable = {tool["name"]: tool["repeatable"] for tool in tools}
        assert repeatable["read_text_file"], "it says that it only reads"
        assert not repeatable["edit_file"]


def test_the_server_that_has_everything_reports_progress(tmp_path: Path, provider: CallingProvider) -> None:
    settings: dict[str, Any] = {
        "providers": {"calling": {"kind": "openai_compatible", "base_url": provider.base_url}},
        "agents": {
            "a": {"provider": "calling", "model": "calling", "tools": [], "mcp_servers": ["everything"]}
        },
        "mcp": {"servers": {"everything": to_json_spec(mcp_peers.everything())}},
    }
    asked = script([call("everything_trigger-long-running-operation", duration=1, steps=3)])
    with running_server(tmp_path, settings) as server, server.client() as client:
        job = run_patiently(client, "a", asked)
        assert job["state"] == "completed", job
        assert "job.progressed" in event_types(client, job["id"])
