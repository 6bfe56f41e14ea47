"""uvicorn's HTTP protocol with what it lacks: bounds for headers and connections, and our errors."""

import asyncio
import secrets
from typing import Any

from pydantic_core import to_json
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from airboss.api.edge import SECURITY_HEADERS
from airboss.api.errors import envelope
from airboss.api.event_stream import DIRECT

#: Request line and headers together; the parser itself would take any amount.
_MAX_HEAD_BYTES = 64 * 1024
_MAX_HEADERS = 128
#: The parser takes others, and a request line without any.
_VERSIONS = ("1.0", "1.1")
#: Paths, absolute addresses as for proxies, and what OPTIONS asks of the whole server.
_TARGETS = (b"/", b"http://", b"https://", b"*")
#: Requests behind the one that is answered. One read can hold ten thousand, each with objects of its own.
_MAX_PIPELINED = 128


class _RefusedHeadError(Exception):
    """Request line and headers are well formed and still not taken."""


class GuardedProtocol(HttpToolsProtocol):
    """Cuts peers that do not get their request out in time or in bounds, take no answer, or are too many.

    At every moment a connection has a request that is worked on, the library's keep-alive timer, or `_deadline`.
    """

    receive_timeout_seconds: float
    max_connections: int
    _deadline: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _is_in_body = False
    _is_refused = False
    #: The request that is answered; `cycle` is the last one that was read.
    _answered: Any = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.abort()
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._end_stall()
        super().connection_lost(exc)
        if self._answered is not None and self._answered is not self.cycle:
            # With another request read behind it the library tells that one only, and a stream would stay.
            self._answered.disconnected = not self._answered.response_complete
            self._answered.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        super().data_received(data)
        if self._is_unattended():
            # The rest of a body that nobody waits for, or an empty line: both ended the keep-alive timer.
            self._arm()
        if self._deadline is not None and not self._is_in_body:
            self._head_bytes += len(data)
            if self._head_bytes > _MAX_HEAD_BYTES:
                self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._disarm()
        extensions: dict[str, Any] = {DIRECT: self.try_write}
        self.scope["extensions"] = extensions
        self._head_bytes = 0
        self._arm()

    def on_headers_complete(self) -> None:
        self._disarm()
        self._is_in_body = True
        head_bytes, hosts = len(self.url), 0
        for name, value in self.headers:
            head_bytes += len(name) + len(value)
            hosts += name == b"host"
        if self._is_out_of_bounds(head_bytes) or self._is_ambiguous(hosts):
            raise _RefusedHeadError
        super().on_headers_complete()

    def _is_out_of_bounds(self, head_bytes: int) -> bool:
        return (
            head_bytes > _MAX_HEAD_BYTES
            or len(self.headers) > _MAX_HEADERS
            or len(self.pipeline) >= _MAX_PIPELINED
        )

    def _is_ambiguous(self, hosts: int) -> bool:
        """Tell whether whoever stands in front may have read another request (RFC 9112, 2.3 and 3.2)."""
        version = self.parser.get_http_version()
        return (
            version not in _VERSIONS
            or hosts > 1
            or (hosts == 0 and version == "1.1")
            or not self.url.startswith(_TARGETS)
        )

    def on_message_complete(self) -> None:
        self._is_in_body = False
        super().on_message_complete()
        if self._deadline is not None:
            # The rest of a body whose request was answered before: the connection is idle from now on.
            self._disarm()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def pause_writing(self) -> None:
        super().pause_writing()
        # A stream that is read too slowly is told so and caught up; an answer waits for its reader only so long.
        if self._answered is not None and not self._answered.chunked_encoding:
            self._watch_stall()

    def resume_writing(self) -> None:
        self._end_stall()
        super().resume_writing()

    def try_write(self, body: bytes) -> bool:
        """Write a chunk of the answer under way at once; False where that must wait or go another way.

        What the library does for a part of a body costs more than half of an event's way to a subscriber.
        """
        cycle = self._answered
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

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def _is_unattended(self) -> bool:
        cycle: Any = self.cycle
        return (
            (cycle is None or cycle.response_complete)
            and self._deadline is None
            and self.timeout_keep_alive_task is None
            and not self.transport.is_closing()
        )

    def _watch_stall(self) -> None:
        self._stalled = self.loop.call_later(
            self.receive_timeout_seconds, self._cut_if_stalled, self.transport.get_write_buffer_size()
        )

    def _cut_if_stalled(self, unsent_bytes: int) -> None:
        if self.transport.get_write_buffer_size() < unsent_bytes:
            self._watch_stall()
        else:
            self.transport.abort()

    def _end_stall(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

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
    headers = (
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        (b"x-request-id", request_id.encode()),
        *SECURITY_HEADERS,
    )
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 400 Bad Request\r\n" + lines + b"\r\n" + body
