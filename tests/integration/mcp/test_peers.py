"""Servers that others wrote, and the SDK's own, of both revisions of the protocol, over stdio and HTTP."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support import mcp_peers
from tests.support.mcp_rig import Heard, mcp_rig

from airboss.domain.mcp_servers import ExternalSpec, ProcessSpec, ServerState
from airboss.ports.mcp import McpToolError, McpUnavailableError

OLD, NEW = "2025-11-25", "2026-07-28"
#: Some of these take seconds to start on a busy machine.
START_SECONDS = 60


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "notes.txt").write_text("first\n")
    for words in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "one"),
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return folder


async def test_server_everything_over_stdio() -> None:
    async with mcp_rig() as rig:
        rig.define("e", mcp_peers.everything())
        status = await rig.connections.start("e")
        assert (status.state, status.protocol_version) == (ServerState.RUNNING, OLD)
        assert await rig.call("e", "echo", {"message": "hello"}) == "Echo: hello"
        weather = await rig.call("e", "get-structured-content", {"location": "Chicago"})
        assert set(weather) == {"temperature", "conditions", "humidity"}
        image = await rig.call("e", "get-tiny-image")
        assert "[image image/png, " in image
        links = await rig.call("e", "get-resource-links", {"count": 2})
        assert links.count("[resource demo://") == 2
        heard = Heard()
        answer = await rig.call(
            "e", "trigger-long-running-operation", {"duration": 1, "steps": 4}, heard=heard
        )
        assert answer.startswith("Long running operation completed")
        assert [fraction for _, fraction in heard.notices] == [0.25, 0.5, 0.75, 1.0]


async def test_server_filesystem_over_stdio(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("inside")
    async with mcp_rig() as rig:
        rig.define("f", mcp_peers.filesystem(tmp_path))
        tools = {tool.name: tool for tool in await rig.connections.tools("f")}
        assert tools["read_text_file"].repeatable
        assert tools["move_file"].repeatable is False
        assert tools["write_file"].destructive is True
        assert await rig.call("f", "read_text_file", {"path": str(tmp_path / "a.txt")}) == {
            "content": "inside"
        }
        with pytest.raises(McpToolError, match="Access denied"):
            await rig.call("f", "read_text_file", {"path": "/etc/passwd"})


async def test_mcp_server_time_over_stdio() -> None:
    async with mcp_rig() as rig:
        rig.define("t", mcp_peers.time_server())
        status = await rig.connections.start("t")
        assert (status.server_name, status.protocol_version) == ("mcp-time", NEW)
        answer = await rig.call("t", "get_current_time", {"timezone": "Europe/Berlin"})
        assert answer["timezone"] == "Europe/Berlin"
        with pytest.raises(McpToolError, match="Invalid timezone"):
            await rig.call("t", "get_current_time", {"timezone": "Nowhere/Land"})


async def test_mcp_server_git_over_stdio(repository: Path) -> None:
    async with mcp_rig() as rig:
        rig.define("g", mcp_peers.git_server(repository))
        assert "nothing to commit" in str(await rig.call("g", "git_status", {"repo_path": str(repository)}))
        assert "one" in str(await rig.call("g", "git_log", {"repo_path": str(repository)}))


async def test_an_older_release_of_mcp_server_time_over_stdio() -> None:
    async with mcp_rig() as rig:
        rig.define("t", mcp_peers.old_time_server())
        status = await rig.connections.start("t")
        assert (status.state, status.protocol_version) == (ServerState.RUNNING, OLD)
        assert "UTC" in str(await rig.call("t", "get_current_time", {"timezone": "UTC"}))


async def use_modern(spec: ProcessSpec | ExternalSpec) -> None:
    async with mcp_rig() as rig:
        rig.define("m", spec)
        status = await rig.connections.start("m")
        assert (status.state, status.protocol_version, status.reason) == (ServerState.RUNNING, NEW, None)
        assert await rig.call("m", "point", {"x": 1, "y": 2}) == {"x": 1, "y": 2}
        heard = Heard()
        assert await rig.call("m", "count", {"steps": 3}, heard=heard) == {"result": "counted to 3"}
        assert heard.notices == [("step 1", 1 / 3), ("step 2", 2 / 3), ("step 3", 1.0)]
        assert await rig.call("m", "picture") == "[image image/png, 8 bytes, not shown]"
        with pytest.raises(McpToolError, match="Error executing tool fail"):
            await rig.call("m", "fail")
        with pytest.raises(McpToolError):
            await rig.call("m", "sample")
        hung = Heard()
        hanging = asyncio.create_task(rig.call("m", "hang", heard=hung))
        await hung.first()
        assert await rig.call("m", "echo", {"text": "at once"}) == {"result": "at once"}
        hanging.cancel()
        await asyncio.wait([hanging])
        assert "brand_new" not in await rig.tool_names("m")
        await rig.call("m", "grow")
        await rig.log.until("mcp.tools_changed")
        assert "brand_new" in await rig.tool_names("m")
        assert await rig.call("m", "brand_new") == "new"
        assert rig.watch.news == [("started", "m")]


async def test_the_sdks_own_server_over_stdio() -> None:
    await use_modern(mcp_peers.modern())


async def test_the_sdks_own_server_over_http() -> None:
    with mcp_peers.modern_over_http() as (url, _):
        await use_modern(ExternalSpec(url))


async def test_an_external_server_that_dies_comes_back() -> None:
    async with mcp_rig() as rig:
        with mcp_peers.modern_over_http() as (url, process):
            rig.define("m", ExternalSpec(url))
            assert await rig.call("m", "echo", {"text": "1"}) == {"result": "1"}
            heard = Heard()
            hanging = asyncio.create_task(rig.call("m", "hang", heard=heard))
            await heard.first()
            process.kill()
            process.wait()
            with pytest.raises(McpUnavailableError):
                await hanging
        with mcp_peers.modern_over_http(int(url.rpartition(":")[2].partition("/")[0])):
            await rig.connections.start("m")
            assert await rig.call("m", "echo", {"text": "2"}) == {"result": "2"}


def test_server_everything_over_http_with_sessions() -> None:
    """It listens on every interface: server and client share a network with nothing but loopback."""
    program = Path(__file__).parents[2] / "support" / "everything_over_http.py"
    command = mcp_peers.lonely(sys.executable, str(program), *mcp_peers.everything_over_http())
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == {
        "protocol": OLD,
        "echo": "Echo: over HTTP",
        "progress": [0.5, 1.0],
        "after a restart of the server": "Echo: again",
        "failures": 1,
        "left": [],
    }
