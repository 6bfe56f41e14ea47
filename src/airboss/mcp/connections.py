"""All connections of this node: one owner for each server. Knows nothing of the SDK; that is loaded when needed."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import anyio

from airboss.domain.mcp_policies import McpPolicy
from airboss.domain.mcp_servers import RemoteTool, ServerOrigin, ServerSpec, ServerStatus
from airboss.mcp.server_owner import Parts, ServerOwner
from airboss.mcp.session import LoadSessions, Target
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.mcp import McpNotSentError, McpToolError, McpUnavailableError, McpWatch, OnProgress

_CHECKED = "check"


class Connections:
    """The port `McpConnections` over real sessions."""

    def __init__(
        self, load: LoadSessions, *, policy: McpPolicy, watch: McpWatch, log: Log, clock: Clock
    ) -> None:
        self._parts = Parts(load, policy, watch, log, clock)
        self._owners: dict[str, ServerOwner] = {}
        self._leaving: set[ServerOwner] = set()
        self._checks: dict[asyncio.Task[Sequence[RemoteTool]], anyio.CancelScope] = {}
        self._is_closed = False

    def define(self, name: str, spec: ServerSpec, origin: ServerOrigin) -> None:
        owner = self._owners.get(name)
        if owner is None:
            self._owners[name] = ServerOwner(name, spec, origin, self._parts)
        else:
            owner.define(spec, origin)

    async def remove(self, name: str) -> None:
        owner = self._owners.pop(name, None)
        if owner is None:
            return
        self._leaving.add(owner)
        try:
            await owner.close()
        finally:
            self._leaving.discard(owner)

    async def start(self, name: str) -> ServerStatus:
        return await self._owners[name].start()

    async def stop(self, name: str) -> ServerStatus:
        return await self._owners[name].stop()

    def status(self, name: str) -> ServerStatus:
        return self._owners[name].status

    async def tools(self, name: str) -> Sequence[RemoteTool]:
        return await self._owner(name).tools()

    async def call(
        self,
        name: str,
        tool: str,
        arguments: Mapping[str, Any],
        on_progress: OnProgress,
        timeout_seconds: float,
    ) -> Any:
        began = time.perf_counter()
        outcome = "cancelled"
        try:
            answer = await self._owner(name).call(tool, arguments, on_progress, timeout_seconds)
            outcome = "ok"
        except McpToolError:
            outcome = "tool_failed"
            raise
        except McpUnavailableError:
            outcome = "mcp_unavailable"
            raise
        except TimeoutError:
            outcome = "timeout"
            raise
        finally:
            self._parts.watch.on_call(name, outcome, time.perf_counter() - began)
        return answer

    async def check(self, spec: ServerSpec, origin: ServerOrigin) -> Sequence[RemoteTool]:
        if self._is_closed:
            raise McpNotSentError("Airboss is shutting down")
        if len(self._checks) >= self._parts.policy.max_checks:
            raise McpNotSentError(f"{len(self._checks)} checks run already; try again later")
        scope = anyio.CancelScope()
        task = asyncio.create_task(self._check(spec, origin, scope), name="mcp check")
        self._checks[task] = scope
        task.add_done_callback(lambda done: self._checks.pop(done, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            scope.cancel()
            await asyncio.wait([task])
            # Looked at, or the event loop would complain of an error that nobody took.
            task.exception()
            raise

    async def _check(
        self, spec: ServerSpec, origin: ServerOrigin, scope: anyio.CancelScope
    ) -> Sequence[RemoteTool]:
        # One task opens and closes, and it is not the caller's, which may be cancelled at any moment.
        with scope:
            open_session = await self._parts.load()
            async with open_session(Target(_CHECKED, spec, origin, _nothing, _nothing)) as session:
                return session.tools
        raise McpNotSentError("the check was given up")

    async def close(self) -> None:
        self._is_closed = True
        for scope in self._checks.values():
            scope.cancel()
        owners = [*self._owners.values(), *self._leaving]
        await asyncio.gather(*(owner.close() for owner in owners))
        if self._checks:
            await asyncio.wait(list(self._checks))

    def _owner(self, name: str) -> ServerOwner:
        owner = self._owners.get(name)
        if owner is None or self._is_closed:
            raise McpNotSentError(f"there is no MCP server {name}")
        return owner


def _nothing() -> None:
    """Hear and pass over: a check is over before a change matters."""
