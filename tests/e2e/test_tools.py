"""Tools of real jobs on a real server: what they change, what they refuse, and what a crash leaves."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import ended, event_types, run, spawn
from tests.support.server import ServerProcess, running_server
from tests.support.small_disk import block_disk
from tests.support.tool_calling_provider import ToolCallingProvider, tool_calling_provider


@pytest.fixture(scope="module")
def provider() -> Iterator[ToolCallingProvider]:
    with tool_calling_provider() as serving:
        yield serving


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, provider: ToolCallingProvider
) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("tools")
    (folder / "workspace").mkdir()
    (folder / "secret.txt").write_text("OUTSIDE")
    (folder / "workspace" / "out").symlink_to("../secret.txt")
    tools = ("files.list", "files.read", "files.write", "web.fetch")
    settings = provider.settings(*tools, files={"writable": True, "max_bytes": 1000})
    with running_server(folder, settings) as serving:
        yield serving


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx2.Client]:
    with server.client() as opened:
        yield opened


def read_by_model(client: httpx2.Client, *turns: list[Any]) -> list[Any]:
    """Run a job that makes these calls; returns what its model read of them."""
    job = run(client, "caller", json.dumps(turns))
    assert job["state"] == "completed", job["error"]
    return [json.loads(text) for text in json.loads(job["output"])]


def await_event(client: httpx2.Client, job_id: str, kind: str) -> None:
    headers = {"Accept": "text/event-stream"}
    with client.stream("GET", f"/v1/jobs/{job_id}/events", headers=headers) as stream:
        assert any(line == f"event: {kind}" for line in stream.iter_lines())


def test_a_job_writes_a_file_and_reads_it_again(client: httpx2.Client, server: ServerProcess) -> None:
    write = ["files_write", {"path": "notes/today.md", "content": "Grüße\n"}]
    wrote, read, listed = read_by_model(
        client, [write], [["files_read", {"path": "notes/today.md"}], ["files_list", {"path": "notes"}]]
    )
    assert wrote == {
        "data_from_tool": "files.write",
        "result": {"path": "notes/today.md", "size_bytes": 8, "created": True},
    }
    assert read["result"]["text"] == "Grüße\n"
    assert listed["result"]["entries"] == [{"name": "today.md", "kind": "file", "size_bytes": 8}]
    assert (server.folder / "workspace" / "notes" / "today.md").read_text() == "Grüße\n"


def test_what_is_not_allowed_is_told_to_the_model_and_changes_nothing(
    client: httpx2.Client, server: ServerProcess
) -> None:
    told = read_by_model(
        client,
        [
            ["files_write", {"path": "../secret.txt", "content": "x"}],
            ["files_write", {"path": "out", "content": "x"}],
            ["files_write", {"path": "big", "content": "x" * 1001}],
            ["files_write", {"path": "a", "content": "x", "mode": "0777"}],
            ["files_write", {"path": "a", "content": 1}],
            ["files_write", {"path": "a", "content": "\0"}],
            ["files_write", '{"path": "a", "path": "b", "content": "x"}'],
            ["files_write", "[" * 5000],
            ["files_read", {"path": "out"}],
            ["files_read", "{not json"],
            ["web_fetch", {"url": "http://169.254.169.254/latest/meta-data/"}],
        ],
    )
    assert [answer["error"]["code"] for answer in told] == [
        "outside",
        "symlink",
        "too_large",
        *["invalid_arguments"] * 2,
        "binary",
        *["invalid_arguments"] * 2,
        "symlink",
        "invalid_arguments",
        "scheme_not_allowed",
    ]
    assert [answer["error"]["denied"] for answer in told].count(True) == 4
    assert (server.folder / "secret.txt").read_text() == "OUTSIDE"
    assert not (server.folder / "workspace" / "a").exists()
    assert not (server.folder / "workspace" / "b").exists()


def test_a_write_in_flight_in_a_crash_ends_its_job_with_outcome_unknown(
    tmp_path: Path, provider: ToolCallingProvider
) -> None:
    """The disk of the workspace hangs, so that the write is in flight for as long as the test wants."""
    with block_disk() as disk:
        workspace = disk.folder / "workspace"
        workspace.mkdir()
        (workspace / "notes.txt").write_text("old")
        settings = provider.settings("files.write", files={"writable": True, "root": str(workspace)})
        before = provider.calls
        with running_server(tmp_path, settings) as server, server.client() as client:
            with disk.frozen():
                call = ["files_write", {"path": "notes.txt", "content": "new"}]
                job = spawn(client, "caller", json.dumps([[call]]))
                await_event(client, job["id"], "tool.called")
                server.process.kill()
            server.wait()
        assert (workspace / "notes.txt").read_text() in {"old", "new"}
        (workspace / "notes.txt").write_text("by somebody else")
        with running_server(tmp_path, settings) as server, server.client() as client:
            failed = ended(client, job["id"])
            assert (failed["state"], failed["error"]["code"]) == ("failed", "outcome_unknown")
            assert failed["error"]["details"]["tool"] == "files.write"
            assert "notes.txt" in failed["error"]["details"]["arguments"]
            assert event_types(client, job["id"]).count("tool.called") == 1
        assert provider.calls == before + 1, "the model was not asked again"
        assert (workspace / "notes.txt").read_text() == "by somebody else", "it was not written twice"
