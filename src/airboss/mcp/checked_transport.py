"""HTTP to an MCP server: no redirect, no coding, no JSON over the limit, and a note of each refusal."""

import asyncio
from collections.abc import AsyncIterator

import httpx2

from airboss.mcp.density import MAX_BRACKETS, Density
from airboss.mcp.wire_notes import WireNotes

_SESSION_HEADER = "mcp-session-id"
_GOODBYE_SECONDS = 2.0
_NOT_FOUND = 404
_NOT_ALLOWED = 405
_CLIENT_ERROR = 400
_EVENT_END = b"\n\n"


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Wraps the transport that decides where connections may go."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, max_message_bytes: int, notes: WireNotes) -> None:
        self._inner = inner
        self._max_message_bytes = max_message_bytes
        self._notes = notes

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.headers["Accept-Encoding"] = "identity"
        if request.method == "DELETE":
            # The SDK says goodbye while it closes: a server that hangs must not hold that up.
            try:
                async with asyncio.timeout(_GOODBYE_SECONDS):
                    return await self._inner.handle_async_request(request)
            except TimeoutError:
                raise httpx2.ReadTimeout("no answer to the end of the session", request=request) from None
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.TransportError as error:
            self._notes.refusal = f"{type(error).__name__}: {error}"
            raise
        await self._check(request, response)
        return response

    async def _check(self, request: httpx2.Request, response: httpx2.Response) -> None:
        if response.status_code < _CLIENT_ERROR:
            self._notes.refusal = None
        elif response.status_code != _NOT_ALLOWED:
            # That one says what a server does not offer, such as a stream of its own.
            self._notes.refusal = f"the server answered {response.status_code} to {request.method}"
        if response.status_code == _NOT_FOUND and _SESSION_HEADER in request.headers:
            self._notes.end("the server has forgotten the session")
        if "location" in response.headers:
            # Without it nobody follows: the SDK would, within the same host.
            target = response.headers.pop("location")
            self._notes.refusal = f"a redirect to {target[:200]} is not followed; give that address"
        coding = response.headers.get("content-encoding", "identity")
        if coding.lower() not in ("", "identity"):
            await response.aclose()
            raise httpx2.DecodingError(f"the coding {coding[:40]} was not asked for", request=request)
        media_type = response.headers.get("content-type", "").lower()
        if isinstance(response.stream, httpx2.AsyncByteStream):
            is_stream = media_type.startswith("text/event-stream")
            # Of a stream of events the SDK bounds each one.
            limit = None if is_stream else self._max_message_bytes
            response.stream = _Bounded(response.stream, limit)

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """Ends with an error that the SDK turns into one for the call."""

    def __init__(self, inner: httpx2.AsyncByteStream, max_bytes: int | None) -> None:
        self._inner = inner
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        density = Density()
        async for chunk in self._inner:
            size += len(chunk)
            if self._max_bytes is not None and size > self._max_bytes:
                raise httpx2.StreamError(f"the answer is over the limit of {self._max_bytes} bytes")
            if density.is_too_much(chunk):
                raise httpx2.StreamError(f"an answer of more than {MAX_BRACKETS} structures is not read")
            if self._max_bytes is None and _EVENT_END in chunk:
                density.begin_again()
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
