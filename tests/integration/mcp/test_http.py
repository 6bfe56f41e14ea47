"""What an external server can do to us over HTTP: redirects, coded and endless answers, hangs, refusals."""

import asyncio
import gzip
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from tests.support.mcp_rig import mcp_rig

from airboss.domain.mcp_servers import ExternalSpec, ServerOrigin, ServerState
from airboss.ports.mcp import McpToolError, McpUnavailableError

URL = "http://mcp.test/mcp"
Answer = Callable[[httpx2.Request], httpx2.Response]


def reply(request: httpx2.Request, result: dict[str, Any], **headers: str) -> httpx2.Response:
    body = {"jsonrpc": "2.0", "id": json.loads(request.content).get("id"), "result": result}
    return httpx2.Response(200, json=body, headers=headers)


class Remote:
    """A server of the 2025-11-25 revision; `on_call` answers the tools and `seen` keeps the requests."""

    def __init__(self, on_call: Answer) -> None:
        self._on_call = on_call
        self.seen: list[httpx2.Request] = []

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        if request.method != "POST":
            return httpx2.Response(405)
        match json.loads(request.content)["method"]:
            case "initialize":
                info = {"name": "remote", "version": "1"}
                session = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
                return reply(request, session, **{"mcp-session-id": "s1"})
            case "tools/list":
                return reply(request, {"tools": [{"name": "t", "inputSchema": {"type": "object"}}]})
            case "tools/call":
                return self._on_call(request)
            case "ping":
                return reply(request, {})
            case "server/discover":
                body = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "Method not found"}}
                return httpx2.Response(404, json=body)
        return httpx2.Response(202)


def remote_rig(handler: Any, **fields: Any) -> Any:
    return mcp_rig(make_transport=lambda _: httpx2.MockTransport(handler), **fields)


async def test_headers_are_read_from_their_references_and_no_other_identity_is_sent() -> None:
    remote = Remote(lambda request: reply(request, {"content": []}))
    async with remote_rig(remote, secrets={"secret://env/KEY": "Bearer abcdef"}) as rig:
        rig.define("r", ExternalSpec(URL, {"Authorization": "secret://env/KEY"}))
        await rig.call("r", "t")
    assert {request.headers["authorization"] for request in remote.seen} == {"Bearer abcdef"}
    assert {request.headers["accept-encoding"] for request in remote.seen} == {"identity"}
    assert remote.seen[-1].method == "DELETE", "an orderly end tells the server"


@pytest.mark.parametrize("location", ["http://169.254.169.254/", "/mcp/", "https://mcp.test/mcp"])
async def test_no_redirect_is_followed(location: str) -> None:
    seen: list[str] = []

    def redirect(request: httpx2.Request) -> httpx2.Response:
        seen.append(str(request.url))
        return httpx2.Response(307, headers={"location": location})

    async with remote_rig(redirect) as rig:
        with pytest.raises(McpUnavailableError, match="is not followed; give that address"):
            await rig.connections.check(ExternalSpec(URL), ServerOrigin.API)
    assert set(seen) == {URL}


async def test_a_coded_answer_is_refused_before_it_is_unpacked() -> None:
    def bomb(request: httpx2.Request) -> httpx2.Response:
        packed = gzip.compress(b"x" * 1_000_000)
        headers = {"content-encoding": "gzip", "content-type": "application/json"}
        return httpx2.Response(200, stream=httpx2.ByteStream(packed), headers=headers)

    async with remote_rig(bomb) as rig:
        with pytest.raises(McpUnavailableError, match="the coding gzip was not asked for"):
            await rig.connections.check(ExternalSpec(URL), ServerOrigin.API)


class Endless(httpx2.AsyncByteStream):
    def __init__(self, chunk: bytes = b" " * 1000) -> None:
        self.chunks = 0
        self._chunk = chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.chunks += 1
            yield self._chunk


@pytest.mark.parametrize("media_type", ["application/json", "text/event-stream"])
async def test_an_endless_answer_ends_its_call_at_the_limit(media_type: str) -> None:
    endless = Endless()
    remote = Remote(
        lambda request: httpx2.Response(200, stream=endless, headers={"content-type": media_type})
    )
    async with remote_rig(remote, max_message_bytes=20_000) as rig:
        rig.define("r", ExternalSpec(URL))
        with pytest.raises((McpToolError, McpUnavailableError)):
            await rig.call("r", "t")
        assert endless.chunks < 30
        assert rig.connections.status("r").state is ServerState.RUNNING


async def test_an_answer_that_is_too_much_work_ends_its_call_only() -> None:
    dense = Endless(b'{"type": "text"},' * 1000)
    remote = Remote(
        lambda _: httpx2.Response(200, stream=dense, headers={"content-type": "application/json"})
    )
    async with remote_rig(remote) as rig:
        rig.define("r", ExternalSpec(URL))
        with pytest.raises(McpToolError, match="more than 20000 structures"):
            await rig.call("r", "t")
        assert rig.connections.status("r").state is ServerState.RUNNING


async def test_a_forgotten_session_is_opened_anew() -> None:
    answers = iter([None, httpx2.Response(404)])
    remote = Remote(lambda request: next(answers, None) or reply(request, {"content": []}))
    async with remote_rig(remote) as rig:
        rig.define("r", ExternalSpec(URL))
        assert await rig.call("r", "t") == ""
        with pytest.raises(McpUnavailableError):
            await rig.call("r", "t")
        assert await rig.call("r", "t") == ""
        assert re.fullmatch(
            r"the server has forgotten the session(; the server answered 404 to POST)?", rig.watch.news[1][2]
        )


async def test_a_refused_token_is_told_by_its_status() -> None:
    async with remote_rig(lambda request: httpx2.Response(401)) as rig:
        with pytest.raises(McpUnavailableError, match="the server answered 401 to POST"):
            await rig.connections.check(ExternalSpec(URL), ServerOrigin.SETTINGS)


async def test_a_server_that_hangs_at_the_goodbye_does_not_hold_up_the_stop() -> None:
    class Hanging(Remote):
        async def __call__(self, request: httpx2.Request) -> httpx2.Response:
            if request.method == "DELETE":
                await asyncio.Event().wait()
            return await super().__call__(request)

    async with remote_rig(Hanging(lambda request: reply(request, {"content": []}))) as rig:
        rig.define("r", ExternalSpec(URL))
        await rig.connections.start("r")
        async with asyncio.timeout(4):
            await rig.connections.stop("r")


async def test_a_server_that_cannot_be_reached_says_so() -> None:
    async with mcp_rig() as rig:
        with pytest.raises(McpUnavailableError, match="ConnectError"):
            await rig.connections.check(ExternalSpec("http://127.0.0.1:1/mcp"), ServerOrigin.SETTINGS)
