"""The read side of any transport, with what the SDK leaves to chance: pace, silence, and what is not offered."""

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.streams.memory import MemoryObjectSendStream
from mcp.client._transport import ReadStream
from mcp.shared.message import SessionMessage
from mcp_types import (
    INTERNAL_ERROR,
    METHOD_NOT_FOUND,
    ErrorData,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
)

from airboss.mcp.wire_notes import WireNotes

_PING = "ping"
#: The SDK takes some ten microseconds for each block, all in one go.
_MAX_BLOCKS = 500


class HeardStream:
    """Answers requests for what this client does not offer, as the specification asks: method not found.

    The SDK would answer them with another code, each in a task of its own, without a bound. A server that sends
    more notifications than allowed is read more slowly.
    """

    def __init__(
        self,
        inner: ReadStream[SessionMessage | Exception],
        refusals: MemoryObjectSendStream[SessionMessage],
        notes: WireNotes,
        max_notifications_per_second: int,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._inner = inner
        self._refusals = refusals
        self._notes = notes
        self._max_notifications = max_notifications_per_second
        self._sleep = sleep
        self._window_began = 0.0
        self._in_window = 0

    async def receive(self) -> SessionMessage | Exception:
        while True:
            try:
                item = await self._inner.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
                self._notes.end("the connection was closed")
                raise
            self._notes.heard()
            if isinstance(item, Exception):
                return item
            message: Any = item.message
            if isinstance(message, JSONRPCNotification):
                await self._keep_pace()
            if isinstance(message, JSONRPCRequest) and message.method != _PING:
                self._refuse(message)
                continue
            if isinstance(message, JSONRPCResponse) and _blocks(message) > _MAX_BLOCKS:
                item.message = _too_many_blocks(message)
            return item

    def _refuse(self, request: JSONRPCRequest) -> None:
        error = ErrorData(code=METHOD_NOT_FOUND, message=f"{request.method} is not offered by this client")
        answer = SessionMessage(JSONRPCError(jsonrpc="2.0", id=request.id, error=error))
        try:
            # To wait here could be for ever: a server that only writes would wait for us to read.
            self._refusals.send_nowait(answer)
        except (anyio.WouldBlock, anyio.BrokenResourceError, anyio.ClosedResourceError):
            self._notes.end("the server asks and does not read the answers")

    async def _keep_pace(self) -> None:
        now = anyio.current_time()
        if now - self._window_began >= 1:
            self._window_began = now
            self._in_window = 0
        self._in_window += 1
        if self._in_window > self._max_notifications:
            await self._sleep(1 - (now - self._window_began))

    async def aclose(self) -> None:
        await self._inner.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


def _blocks(message: JSONRPCResponse) -> int:
    content = message.result.get("content")
    return len(content) if isinstance(content, list) else 0


def _too_many_blocks(message: JSONRPCResponse) -> JSONRPCError:
    error = ErrorData(
        code=INTERNAL_ERROR,
        message=f"an answer of {_blocks(message)} blocks is over the limit of {_MAX_BLOCKS}",
    )
    return JSONRPCError(jsonrpc="2.0", id=message.id, error=error)
