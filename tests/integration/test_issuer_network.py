"""An issuer on a real socket that drips, never ends, breaks off or says nothing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from airboss.domain.policies import JwtPolicy
from airboss.security.tokens import issuer_documents
from airboss.security.tokens.issuer_documents import (
    MAX_DOCUMENT_BYTES,
    IssuerDocuments,
    IssuerUnavailableError,
)

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
SHORT_SECONDS = 0.3
LONGEST_SECONDS = 3.0
Speak = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def nothing(writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def half_a_head(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    await asyncio.Event().wait()


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 100000\r\n\r\n")
    tick = asyncio.Event()
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(tick.wait(), 0.02)


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Connection: close\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" " * 65536)
        await writer.drain()


async def break_off(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b'Content-Length: 1000\r\n\r\n{"keys":[')
    writer.close()


async def no_http(writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x16\x03\x01\x00\xa5\x01\x00\x00\r\n\r\n")
    writer.close()


@asynccontextmanager
async def speaking(speak: Speak) -> AsyncIterator[str]:
    tasks: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        task = asyncio.ensure_future(speak(writer))
        tasks.add(task)
        await asyncio.wait([task])
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/jwks"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize(
    ("speak", "reason"),
    [
        (nothing, "no answer within"),
        (half_a_head, "no answer within"),
        (drip, "no answer within"),
        (endless, f"more than {MAX_DOCUMENT_BYTES} bytes"),
        (break_off, "no answer"),
        (no_http, "no answer"),
    ],
)
async def test_it_is_given_up_in_time_and_in_our_words(
    speak: Speak, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        issuer_documents, "FETCH_SECONDS", SHORT_SECONDS if "within" in reason else LONGEST_SECONDS
    )
    async with speaking(speak) as url:
        policy = JwtPolicy("RS256", "airboss", "airboss", secret=None, public_key_path=None, jwks_url=url)
        documents = IssuerDocuments(policy)
        began = asyncio.get_running_loop().time()
        with pytest.raises(IssuerUnavailableError, match=reason):
            await documents.key_set()
        assert asyncio.get_running_loop().time() - began < LONGEST_SECONDS
        await documents.close()
