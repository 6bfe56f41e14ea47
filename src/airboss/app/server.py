"""Serving: bind, start, tell, serve until a signal, drain, stop."""

import asyncio
import os
import signal
import socket
import sys
from typing import Any, Protocol

import uvicorn
from starlette.types import ASGIApp

from airboss.app.create import create_app
from airboss.app.late import Late, load_late
from airboss.app.protocol import http_protocol
from airboss.app.rates import build_rates
from airboss.config.findings import RefusedSettingsError
from airboss.config.runtime_config import ListenPolicy
from airboss.runtime.heap import settle_heap
from airboss.runtime.runtime import Runtime

_BACKLOG = 2048
#: Answers that are on their way get so long after the drain; streams have ended before.
_LAST_ANSWERS_SECONDS = 1


class PortTakenError(Exception):
    """The address cannot be had; `reason` is that without what to do about it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; choose another with --port or server.port")
        self.reason = reason


class Tell(Protocol):
    """Tells the one who started the server how it is."""

    def ready(self, url: str) -> None:
        """Say that it listens at this address."""

    def stopping(self, running: int, grace_seconds: float) -> None:
        """Say that it was asked to stop and how long at most it waits for what runs."""


class Server:
    """One runtime behind one socket. Shutdown is ours: see the order in `_leave`.

    Raises `RefusedSettingsError` where the settings name a certificate that cannot be served.
    """

    def __init__(self, runtime: Runtime, tell: Tell) -> None:
        self._runtime = runtime
        self._tell = tell
        self._signals = 0
        self._signalled = asyncio.Event()
        self._forced = asyncio.Event()
        self._tls = build_tls(runtime.config.listen)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT and end the process after the drain; a second signal ends the grace.

        SIGHUP reads the certificate anew, where there is one.
        """
        bound = bind(self._runtime.config.listen.host, self._runtime.config.listen.port)
        try:
            self._watch_signals()
            await self._runtime.start()
            await self._serve(bound)
        finally:
            await self._runtime.stop()
            bound.close()
        _end_process()

    async def _serve(self, bound: socket.socket) -> None:
        rates = build_rates(self._runtime)
        try:
            server = _uvicorn(create_app(self._runtime, rates), self._runtime)
            await self._listen(server, bound)
            ticking = asyncio.create_task(server.main_loop(), name="uvicorn")
            settle_heap()
            self._tell.ready(url_of(bound, is_tls=self._tls is not None))
            await self._signalled.wait()
            await self._leave(server, ticking, bound)
        finally:
            await rates.close()

    async def _listen(self, server: uvicorn.Server, bound: socket.socket) -> None:
        """Listen as uvicorn would, which passes on no deadline for handshakes: theirs would be a minute."""
        config = server.config
        protocol_class: Any = config.http_protocol_class

        def protocol(_loop: asyncio.AbstractEventLoop | None = None) -> asyncio.Protocol:
            made: asyncio.Protocol = protocol_class(
                config=config, server_state=server.server_state, app_state=server.lifespan.state, _loop=_loop
            )
            return made

        seconds = self._runtime.config.edge.receive_timeout_seconds
        server.servers = [
            await asyncio.get_running_loop().create_server(
                protocol,
                sock=bound,
                backlog=_BACKLOG,
                ssl=None if self._tls is None else self._tls.context,
                ssl_handshake_timeout=None if self._tls is None else seconds,
            )
        ]
        server.started = True

    async def _leave(self, server: uvicorn.Server, ticking: asyncio.Task[None], bound: socket.socket) -> None:
        """Ready says no while still listening, work ends or goes back, then the listener closes."""
        grace_seconds = self._runtime.config.listen.shutdown_grace_seconds
        self._runtime.begin_drain()
        running = self._runtime.manager.running_count
        self._runtime.log.info("server.draining", grace_seconds=grace_seconds, running=running)
        self._tell.stopping(running, grace_seconds)
        draining = asyncio.create_task(self._runtime.drain(grace_seconds))
        forced = asyncio.create_task(self._forced.wait())
        await asyncio.wait({draining, forced}, return_when=asyncio.FIRST_COMPLETED)
        forced.cancel()
        if not draining.done():
            self._runtime.log.warning("server.forced")
            self._runtime.hand_back()
        await draining
        server.should_exit = True
        await ticking
        await server.shutdown(sockets=[bound])
        for connection in list(server.server_state.connections):
            # A reader that takes nothing would keep its connection, and the process, for ever.
            connection.transport.abort()
        self._runtime.log.info("server.left")

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        if self._tls is not None:
            loop.add_signal_handler(signal.SIGHUP, self._reload_certificate)

    def _reload_certificate(self) -> None:
        try:
            self._tls.reload()
        except RefusedSettingsError as error:
            self._runtime.log.warning("tls.kept_old_certificate", reason=str(error))
        else:
            self._runtime.log.info("tls.certificate_read", expires_at=self._tls.expires_at.isoformat())

    def _on_signal(self) -> None:
        self._signals += 1
        (self._signalled if self._signals == 1 else self._forced).set()


def build_tls(listen: ListenPolicy) -> Any:
    """Return a `ServerTls`, or None without a certificate; raises `RefusedSettingsError`."""
    return None if listen.tls is None else load_late(Late.TLS).ServerTls(listen.tls)


def bind(host: str, port: int) -> socket.socket:
    """Take the address without listening yet; raises `PortTakenError` or OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host.strip("[]"), port))
    except OSError as error:
        bound.close()
        raise PortTakenError(f"cannot listen on {host}:{port}: {error.strerror}") from None
    bound.setblocking(False)
    return bound


def url_of(bound: socket.socket, *, is_tls: bool) -> str:
    host, port = bound.getsockname()[:2]
    scheme = "https" if is_tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def _end_process() -> None:
    """End at once with code 0: everything is closed and on disk.

    The interpreter's own way out takes up to a second with the agents SDK loaded, and waits for seconds where
    a thread is still importing it, which nothing can stop: more than a drain has beyond its grace.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _uvicorn(app: ASGIApp, runtime: Runtime) -> uvicorn.Server:
    listen = runtime.config.listen
    config = uvicorn.Config(
        app,
        http=http_protocol(
            receive_timeout_seconds=runtime.config.edge.receive_timeout_seconds,
            max_connections=runtime.config.edge.max_connections,
        ),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        server_header=False,
        # Only from the proxies that the settings name: a header is anyone's to write.
        proxy_headers=bool(listen.forwarded_allow_ips),
        forwarded_allow_ips=list(listen.forwarded_allow_ips),
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_LAST_ANSWERS_SECONDS,
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    return server
