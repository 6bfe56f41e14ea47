"""The owner of one server's connection: one task opens it, uses it and closes it, again and again."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio

from airboss.domain.mcp_policies import McpPolicy
from airboss.domain.mcp_servers import RemoteTool, ServerOrigin, ServerSpec, ServerState, ServerStatus
from airboss.mcp.call import Call, CallQueue
from airboss.mcp.restart_budget import Pause, RestartBudget
from airboss.mcp.session import LoadSessions, Peer, Session, Target
from airboss.mcp.session_use import SessionUse
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.mcp import McpNotSentError, McpUnavailableError, McpWatch, OnProgress

_CLOSING = "Airboss is shutting down"
_STOPPED = "it was stopped; start it first"
_REDEFINED = "it was given another definition"


@dataclass(frozen=True, slots=True)
class Parts:
    """What every owner needs."""

    load: LoadSessions
    policy: McpPolicy
    watch: McpWatch
    log: Log
    clock: Clock


class ServerOwner:
    """Keeps the connection open from its first use on, until it is told to stop.

    Others only leave wishes and ring the bell; nothing but the owner's task touches a session.
    """

    def __init__(self, name: str, spec: ServerSpec, origin: ServerOrigin, parts: Parts) -> None:
        self._name = name
        self._spec = spec
        self._origin = origin
        self._parts = parts
        self._budget = RestartBudget(parts.policy.restart, parts.clock)
        self._queue = CallQueue(parts.policy.max_calls_in_flight, parts.policy.max_calls_waiting)
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._opening: anyio.CancelScope | None = None
        self._use: SessionUse | None = None
        self._askers: set[asyncio.Future[None]] = set()
        self._state = ServerState.STOPPED
        self._reason: str | None = None
        self._since_ms = parts.clock.now_ms()
        self._peer: Peer | None = None
        self._restarts = 0
        self._is_wanted = False
        self._is_held = False
        self._is_closing = False
        self._is_redefined = False
        self._is_hurried = False

    @property
    def status(self) -> ServerStatus:
        peer = self._peer
        return ServerStatus(
            state=self._state,
            since_ms=self._since_ms,
            reason=self._reason,
            protocol_version=None if peer is None else peer.protocol_version,
            server_name=None if peer is None else peer.server_name,
            server_version=None if peer is None else peer.server_version,
            tools_count=None if self._use is None else len(self._use.tools),
            restarts=self._restarts,
        )

    def define(self, spec: ServerSpec, origin: ServerOrigin) -> None:
        if (spec, origin) == (self._spec, self._origin):
            return
        self._spec, self._origin = spec, origin
        self._restarts = 0
        self._budget.forget()
        self._is_redefined = True
        self._hurry()

    async def start(self) -> ServerStatus:
        """Open the connection now, whatever was before; returns when it runs or has failed."""
        if self._is_closing:
            return self.status
        self._is_held = False
        if self._state is not ServerState.RUNNING:
            self._budget.forget()
            self._is_hurried = True
            self._want()
            with suppress(McpUnavailableError):
                await self._outcome()
        return self.status

    async def stop(self) -> ServerStatus:
        self._is_held = True
        self._is_wanted = False
        self._hurry()
        while self._task is not None and self._state is not ServerState.STOPPED and not self._is_wanted:
            with suppress(McpUnavailableError):
                await self._outcome()
        return self.status

    async def tools(self) -> Sequence[RemoteTool]:
        while self._use is None:
            self._admit()
            await self._outcome()
        return self._use.tools

    async def call(
        self, tool: str, arguments: Mapping[str, Any], on_progress: OnProgress, timeout_seconds: float
    ) -> Any:
        self._admit()
        call = Call(tool, arguments, on_progress)
        self._queue.put(call)
        self._bell.set()
        try:
            async with asyncio.timeout(timeout_seconds):
                return await call.answer
        except TimeoutError:
            if not call.is_sent:
                state = self._reason or self._state
                raise McpNotSentError(
                    f"the call waited {timeout_seconds:g} s for the server: {state}"
                ) from None
            if self._use is not None:
                self._use.timed_out()
            raise
        finally:
            self._queue.withdraw(call)

    async def close(self) -> None:
        """End the connection and the task for good; idempotent."""
        self._is_closing = True
        self._is_wanted = False
        self._hurry()
        if self._task is not None:
            await asyncio.wait([self._task])
        self._tell_askers(_CLOSING)
        self._queue.fail_all(_CLOSING)

    def _admit(self) -> None:
        """Want the connection; raises `McpNotSentError` where it will not be opened now."""
        if self._is_closing:
            raise McpNotSentError(_CLOSING)
        if self._is_held:
            raise McpNotSentError(_STOPPED)
        if self._state is ServerState.QUARANTINED:
            raise McpNotSentError(f"it is in quarantine: {self._reason}")
        self._want()

    def _want(self) -> None:
        self._is_wanted = True
        self._bell.set()
        if self._task is None:
            self._task = asyncio.create_task(self._live(), name=f"mcp server {self._name}")

    def _hurry(self) -> None:
        """Make the owner look up from whatever it waits for."""
        self._is_hurried = True
        self._bell.set()
        if self._opening is not None:
            self._opening.cancel()

    def _is_leaving(self) -> bool:
        return self._is_closing or self._is_redefined or not self._is_wanted

    async def _live(self) -> None:
        while not self._is_closing:
            self._bell.clear()
            if self._is_wanted:
                await self._open_once()
            else:
                await self._bell.wait()
        self._stopped(_CLOSING)

    async def _open_once(self) -> None:
        """Keep one session from its opening to its end, and the pause that follows a failure."""
        self._is_redefined = False
        self._move(ServerState.STARTING)
        failure = await self._session()
        if failure is not None and not self._is_leaving():
            await self._failed(failure)
        elif self._is_closing or not self._is_wanted:
            self._stopped(_CLOSING if self._is_closing else _STOPPED)
        elif self._state is ServerState.RUNNING:
            self._parts.watch.on_stopped(self._name, _REDEFINED)

    async def _session(self) -> str | None:
        """Open, use and close a session; returns why it failed."""
        target = Target(self._name, self._spec, self._origin, self._bell.set, self._tools_changed)
        use: SessionUse | None = None
        try:
            self._opening = anyio.CancelScope()
            with self._opening:
                open_session = await self._parts.load()
                async with open_session(target) as session:
                    self._opening = None
                    use = self._opened(session)
                    await use.serve(self._is_leaving)
        except McpUnavailableError as error:
            return str(error)
        finally:
            self._opening = None
            self._use = None
            self._peer = None
            if use is not None:
                await use.settle()
        return None

    def _opened(self, session: Session) -> SessionUse:
        parts = self._parts
        self._use = SessionUse(
            self._name,
            session,
            self._queue,
            self._bell,
            policy=parts.policy,
            clock=parts.clock,
            log=parts.log,
        )
        self._peer = session.peer
        self._budget.opened()
        self._move(ServerState.RUNNING)
        parts.watch.on_started(self._name)
        self._tell_askers(None)
        return self._use

    async def _failed(self, reason: str) -> None:
        """Count, tell and wait. Calls that came while an open connection broke wait for the next one."""
        was_open = self._state is ServerState.RUNNING
        self._restarts += 1
        pause = self._budget.failed()
        if pause.is_quarantine:
            reason = f"{reason}; it keeps failing and is left alone for {pause.seconds:g} s"
        self._move(ServerState.QUARANTINED if pause.is_quarantine else ServerState.FAILED, reason)
        self._parts.log.warning("mcp.server_failed", server=self._name, reason=reason)
        self._parts.watch.on_failed(self._name, reason)
        if pause.is_quarantine or not was_open:
            self._queue.fail_all(reason)
            self._tell_askers(reason)
        await self._wait_out(pause)
        if not self._is_wanted and not self._is_closing:
            self._stopped(_STOPPED)

    async def _wait_out(self, pause: Pause) -> None:
        self._is_hurried = False
        sleep = asyncio.ensure_future(self._parts.clock.sleep(pause.seconds))
        sleep.add_done_callback(lambda _: self._bell.set())
        try:
            while not sleep.done() and not self._is_hurried:
                self._bell.clear()
                await self._bell.wait()
        finally:
            sleep.cancel()

    def _stopped(self, reason: str) -> None:
        if self._state is not ServerState.STOPPED:
            self._move(ServerState.STOPPED)
            self._parts.watch.on_stopped(self._name, reason)
        self._queue.fail_all(reason)
        self._tell_askers(reason)

    def _tools_changed(self) -> None:
        if self._use is not None:
            self._use.tools_changed()

    def _move(self, state: ServerState, reason: str | None = None) -> None:
        self._state = state
        self._reason = reason
        self._since_ms = self._parts.clock.now_ms()

    async def _outcome(self) -> None:
        """Wait until the connection runs, fails or is stopped; raises `McpNotSentError` unless it runs."""
        asker: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._askers.add(asker)
        try:
            await asker
        finally:
            self._askers.discard(asker)

    def _tell_askers(self, failure: str | None) -> None:
        for asker in self._askers:
            if asker.done():
                continue
            if failure is None:
                asker.set_result(None)
            else:
                asker.set_exception(McpNotSentError(failure))
        self._askers.clear()
