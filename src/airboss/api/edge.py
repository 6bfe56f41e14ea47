"""What every request passes before the application: an id, a check of its host, a log line, an answer."""

import re
import time

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from airboss.api.errors import error_response, internal_error
from airboss.api.event_stream import TAKEN_OVER, EventStreamResponse
from airboss.api.hosts import HostGuard
from airboss.api.rates.rates import RATE_HEADERS
from airboss.domain.errors import AirbossError
from airboss.security.random_bits import RandomBits
from airboss.telemetry.metrics import Metrics

#: For what says nothing of its own. An answer of the API is somebody's data: no cache may keep it.
SECURITY_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
)
#: A year, for this host and no other (RFC 6797).
_HSTS = (b"strict-transport-security", b"max-age=31536000")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,128}\Z")
#: Probes and scrapes would be most of the log.
_QUIET_PATHS = ("/health/", "/metrics", "/ui/")


class Edge:
    """Pure ASGI: middleware that wraps responses costs a request more than its store does."""

    def __init__(self, app: ASGIApp, *, hosts: HostGuard | None, metrics: Metrics, is_tls: bool) -> None:
        self._app = app
        self._usual_headers = (*SECURITY_HEADERS, _HSTS) if is_tls else SECURITY_HEADERS
        self._hosts = hosts
        self._metrics = metrics
        self._log = structlog.get_logger().bind()
        self._random_bits = RandomBits()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        request_id = self._request_id(Headers(scope=scope))
        scope.setdefault("state", {}).update(request_id=request_id, log=self._log)
        streams_taken_over: list[EventStreamResponse] = []
        if scope["method"] != "HEAD":
            # Of a stream that is answered to HEAD there is no rest.
            scope["state"][TAKEN_OVER] = streams_taken_over
        status = 0
        streams = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, streams
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = list(message["headers"])
                given = dict(headers)
                headers.append((b"x-request-id", request_id.encode()))
                headers += scope["state"].get(RATE_HEADERS, ())
                headers += [usual for usual in self._usual_headers if usual[0] not in given]
                streams = given.get(b"content-type", b"").startswith(b"text/event-stream")
            await send(message)

        structlog.contextvars.bind_contextvars(correlation_id=request_id)
        try:
            # A copy: what routing puts in would stay as long as a stream does.
            await self._answer({**scope}, receive, send_with_id, request_id)
            for stream in streams_taken_over:
                await stream.follow(receive, send)
        except Exception as error:  # noqa: BLE001 - the last one to answer
            self._log.error("request.broke", method=scope["method"], path=scope["path"], error=error)
            if not status:
                await error_response(internal_error(), request_id)(scope, receive, send_with_id)
        finally:
            self._told(scope, status, time.perf_counter() - began, streams=streams)
            structlog.contextvars.unbind_contextvars("correlation_id")

    async def _answer(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        if self._hosts is not None:
            try:
                self._hosts.check(Headers(scope=scope))
            except AirbossError as error:
                await error_response(error, request_id)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _told(self, scope: Scope, status: int, seconds: float, *, streams: bool) -> None:
        path = scope["path"]
        quiet = path.startswith(_QUIET_PATHS)
        write = self._log.debug if quiet else self._log.info
        write(
            "request",
            method=scope["method"],
            path=path[:256],
            status=status,
            seconds=round(seconds, 6),
        )
        if status and not streams:
            self._metrics.observe_request(scope["method"], status, seconds)

    def _request_id(self, headers: Headers) -> str:
        given = headers.get("x-request-id", "")
        return given if _REQUEST_ID.match(given) else f"{self._random_bits(64):016x}"
