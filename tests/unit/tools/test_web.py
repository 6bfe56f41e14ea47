"""`web.fetch` answers with text, and tells the model in words what it may not have."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from airboss.domain.policies import WebPolicy
from airboss.ports.tools import Tool, ToolContext, ToolDeniedError, ToolError
from airboss.security.guarded_client import GuardedClient
from airboss.tools.registry import ToolRegistry
from airboss.tools.web import FetchPage

LOOPBACK = "127.0.0.1"
CONTEXT = ToolContext("job", "default")

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def tool(*allowed: str, max_bytes: int = 1000, timeout_seconds: float = 10) -> FetchPage:
    policy = WebPolicy(allowed, True, timeout_seconds, max_bytes)
    return FetchPage(GuardedClient(policy, user_agent="airboss/0.0"))


async def call(page: FetchPage, url: str) -> Any:
    return await page.call(CONTEXT, {"url": url})


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await serve(reader, writer)
        finally:
            writer.close()

    async with await asyncio.start_server(serve_and_close, LOOPBACK) as server:
        yield f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/"


@asynccontextmanager
async def answering(
    body: bytes, media_type: str = "text/plain", status: str = "200 OK"
) -> AsyncIterator[str]:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode("latin-1") + body)
        await writer.drain()

    async with serving(answer) as url:
        yield url


async def test_a_page_comes_as_text() -> None:
    async with answering("Grüße".encode(), "text/html; charset=utf-8") as url:
        answer = await call(tool(LOOPBACK), url)
    assert answer == {
        "url": url,
        "status": 200,
        "content_type": "text/html",
        "text": "Grüße",
        "truncated": False,
    }
    assert json.loads(json.dumps(answer)) == answer


async def test_a_status_is_an_answer() -> None:
    async with answering(b"nothing here", status="404 Not Found") as url:
        answer = await call(tool(LOOPBACK), url)
    assert (answer["status"], answer["text"]) == (404, "nothing here")


@pytest.mark.parametrize(
    ("body", "charset", "text"),
    [
        ("é".encode("latin-1"), "; charset=ISO-8859-1", "é"),
        ("日本".encode("shift_jis"), "; charset=Shift_JIS", "日本"),
        ("ж".encode("koi8-r"), '; charset="koi8-r"', "ж"),
        ("é".encode("utf-16"), "; charset=utf-16", "é"),
        (b"\xef\xbb\xbfhi", "", "hi"),
        ("é".encode(), "", "é"),
        ("é".encode(), "; charset=no-such-charset", "é"),
        ("é".encode(), "; charset=", "é"),
        (b"\xff\xfe caf\xe9", "", "\ufffd\ufffd caf\ufffd"),
        (b"\xed\xa0\x80", "; charset=utf-8", "\ufffd\ufffd\ufffd"),
        # Codecs of Python that are no charsets, or cost more than the text is worth
        (b"uryyb", "; charset=rot13", "uryyb"),
        (b"68656c6c6f", "; charset=hex", "68656c6c6f"),
        (b"\\x41", "; charset=unicode_escape", "\\x41"),
        (b"abc-def", "; charset=punycode", "abc-def"),
        (b"+AGE-", "; charset=utf-7", "+AGE-"),
        (b"abc", "; charset=idna", "abc"),
        (b"abc", "; charset=undefined", "abc"),
    ],
)
async def test_the_declared_charset_is_used_where_it_is_one(body: bytes, charset: str, text: str) -> None:
    async with answering(body, f"text/plain{charset}") as url:
        assert (await call(tool(LOOPBACK), url))["text"] == text


async def test_a_long_page_is_cut_between_characters() -> None:
    async with answering("é".encode() * 10) as url:
        answer = await call(tool(LOOPBACK, max_bytes=5), url)
    assert (answer["text"], answer["truncated"]) == ("éé", True)


@pytest.mark.parametrize(
    ("allowed", "url", "code"),
    [
        ((), "https://example.com/", "host_not_allowed"),
        (("example.org",), "https://example.com/", "host_not_allowed"),
        (("*",), "http://127.0.0.1/", "address_not_public"),
        (("*",), "file:///etc/passwd", "scheme_not_allowed"),
        (("*",), "https://user:password@example.com/", "userinfo_not_allowed"),
    ],
)
async def test_what_is_not_allowed_is_denied(allowed: tuple[str, ...], url: str, code: str) -> None:
    with pytest.raises(ToolDeniedError) as caught:
        await call(tool(*allowed), url)
    assert caught.value.code == code
    assert "password" not in caught.value.message.replace("user name or password", "")


async def test_what_does_not_work_is_told() -> None:
    async with answering(b"\x89PNG", "image/png") as url:
        with pytest.raises(ToolError) as caught:
            await call(tool(LOOPBACK), url)
    assert not isinstance(caught.value, ToolDeniedError)
    assert caught.value.code == "not_text"
    assert caught.value.message == ("the answer (status 200) is image/png: only text, JSON and XML are read")
    with pytest.raises(ToolError) as caught:
        await call(tool(LOOPBACK), url)
    assert (caught.value.code, LOOPBACK in caught.value.message) == ("connect_failed", False)
    with pytest.raises(ToolError) as caught:
        await call(tool("*"), "http://[::1")
    assert caught.value.code == "invalid_url"


async def test_a_page_that_never_ends_is_told() -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
        await reader.read()

    async with serving(hang) as url:
        with pytest.raises(ToolError) as caught:
            await call(tool(LOOPBACK, timeout_seconds=0.1), url)
    assert caught.value.code == "timed_out"


@pytest.mark.parametrize(
    "arguments", [{}, {"url": 1}, {"url": None}, {"url": "https://a/", "method": "POST"}]
)
async def test_other_arguments_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ToolError) as caught:
        await tool("*").call(CONTEXT, arguments)
    assert caught.value.code == "invalid_arguments"


def test_it_is_a_tool_that_may_be_repeated() -> None:
    page: Tool = tool()
    assert "web.fetch" in ToolRegistry([page])
    assert page.repeatable
    assert page.parameters["required"] == ["url"]
    assert page.parameters["additionalProperties"] is False
