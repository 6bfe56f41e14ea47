"""uvicorn's HTTP protocol with what it lacks: bounds for headers and connections, and our errors."""

import asyncio
import secrets
from typing import Any

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from airboss.api.errors import envelope
from airboss.api.event_stream import DIRECT

#: Request line and headers together; the parser itself would take any amount.
_MAX_HEAD_BYTES = 64 * 1024


class _LongHeadError(Exception):
    """Request line and headers are longer than is taken."""


class GuardedProtocol(HttpToolsProtocol):
    """Cuts peers that do not get their request out in time or in bounds, or are too many."""

    receive_timeout_seconds: float
    max_connections: int
    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _is_refused = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.abort()
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        super().data_received(data)
        if self._deadline is not None:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        extensions: dict[str, Any] = {DIRECT: self.try_write}
        self.scope["extensions"] = extensions
        self._head_bytes = 0
        self._arm()

    def on_headers_complete(self) -> None:
        self._disarm()
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > _MAX_HEAD_BYTES:
            raise _LongHeadError
        super().on_headers_complete()

    def try_write(self, body: bytes) -> bool:
        """Write a chunk of the answer under way at once; False where that must wait or go another way.

        What the library does for a part of a body costs more than half of an event's way to a subscriber.
        """
        cycle = self.cycle
        if (
            self.flow.write_paused
            or not cycle.chunked_encoding
            or cycle.response_complete
            or cycle.disconnected
        ):
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(body), body))
        return True

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the library's text is no envelope
        self._is_refused = True
        self._disarm()
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.write(_bad_request())
        elif not cycle.more_body and not cycle.response_started:
            # The request before these bytes was whole: it gets its answer, and nothing follows it.
            cycle.keep_alive = False
            return
        elif not cycle.response_started and not self.pipeline:
            self.transport.write(_bad_request())
            cycle.disconnected = True
        # Where an answer is under way, another would be read as a part of it.
        self.transport.close()

    def _arm(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self.receive_timeout_seconds, self._cut)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.abort()


def http_protocol(*, receive_timeout_seconds: float, max_connections: int) -> type[GuardedProtocol]:
    """Return the protocol with these limits: uvicorn makes one per connection, with arguments of its own."""

    class LimitedProtocol(GuardedProtocol):
        pass

    LimitedProtocol.receive_timeout_seconds = receive_timeout_seconds
    LimitedProtocol.max_connections = max_connections
    return LimitedProtocol


def _bad_request() -> bytes:
    request_id = secrets.token_hex(8)
    body = to_json(envelope("invalid_json", "the request is not valid HTTP", {}, request_id))
    head = (
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
        f"x-request-id: {request_id}\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
