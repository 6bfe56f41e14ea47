"""uvicorn's HTTP protocol with what it lacks: a deadline for headers, a cap on connections, our errors."""

import asyncio
import secrets
from typing import Any

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from airboss.api.errors import envelope


class GuardedProtocol(HttpToolsProtocol):
    """Cuts peers that do not get their request out in time, or are too many."""

    receive_timeout_seconds: float
    max_connections: int
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.abort()
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._arm()

    def on_headers_complete(self) -> None:
        self._disarm()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the library's text is no envelope
        # While an answer is under way these bytes would be read as a part of it.
        cycle: Any = self.cycle
        if cycle is None or cycle.response_complete:
            self.transport.write(_bad_request())
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
