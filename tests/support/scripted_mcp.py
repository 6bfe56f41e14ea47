"""Connections to MCP servers that do as a test tells them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.clock import DEADLINE_SECONDS, START_MS

from airboss.domain.mcp_servers import RemoteTool, ServerOrigin, ServerSpec, ServerState, ServerStatus
from airboss.ports.mcp import McpUnavailableError, McpWatch, OnProgress

#: What a tool answers, given its arguments and whom to tell of progress.
Behaviour = Callable[[Mapping[str, Any], OnProgress], Awaitable[Any]]


def remote(name: str, **fields: Any) -> RemoteTool:
    parameters = {"type": "object", "properties": {"x": {"type": "integer"}}, "additionalProperties": False}
    return RemoteTool(**{"name": name, "description": f"does {name}", "parameters": parameters, **fields})


@dataclass
class ScriptedTool:
    """A tool with its behaviour; by itself it echoes."""

    described: RemoteTool
    behaviour: Behaviour | None = None

    async def answer(self, arguments: Mapping[str, Any], on_progress: OnProgress) -> Any:
        if self.behaviour is None:
            return {"echo": dict(arguments)}
        return await self.behaviour(arguments, on_progress)


@dataclass
class ScriptedServer:
    """A server; `broken` says why it cannot be used now."""

    tools: list[ScriptedTool] = field(default_factory=list)
    broken: str | None = None


class ScriptedConnections:
    """`McpConnections` without connections; servers that are not scripted have no tools."""

    def __init__(self, watch: McpWatch | None = None, **servers: ScriptedServer) -> None:
        self.servers = servers
        self.defined: dict[str, tuple[ServerSpec, ServerOrigin]] = {}
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.checked: list[tuple[ServerSpec, ServerOrigin]] = []
        self.running = 0
        self.is_closed = False
        self.watch = watch
        self._statuses: dict[str, ServerStatus] = {}
        self._changed = asyncio.Event()

    def define(self, name: str, spec: ServerSpec, origin: ServerOrigin) -> None:
        self.defined[name] = (spec, origin)

    async def remove(self, name: str) -> None:
        del self.defined[name]
        self._statuses.pop(name, None)

    async def start(self, name: str) -> ServerStatus:
        server = self._server(name)
        if server.broken is not None:
            self._become(name, ServerState.FAILED, reason=server.broken)
            if self.watch is not None:
                self.watch.on_failed(name, server.broken)
        else:
            self._run(name)
        return self.status(name)

    async def stop(self, name: str) -> ServerStatus:
        self._become(name, ServerState.STOPPED, reason="stopped by an admin")
        if self.watch is not None:
            self.watch.on_stopped(name, "stopped by an admin")
        return self.status(name)

    def status(self, name: str) -> ServerStatus:
        return self._statuses.get(name, ServerStatus(ServerState.STOPPED, START_MS))

    async def tools(self, name: str) -> Sequence[RemoteTool]:
        self._require(name)
        return [tool.described for tool in self._server(name).tools]

    async def call(
        self,
        name: str,
        tool: str,
        arguments: Mapping[str, Any],
        on_progress: OnProgress,
        timeout_seconds: float,
    ) -> Any:
        self._require(name)
        self.calls.append((name, tool, dict(arguments)))
        self.running += 1
        self._changed.set()
        try:
            (found,) = (each for each in self._server(name).tools if each.described.name == tool)
            return await found.answer(arguments, on_progress)
        finally:
            self.running -= 1

    async def until_calling(self, calls: int = 1) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while self.running < calls:
                self._changed.clear()
                await self._changed.wait()

    async def check(self, spec: ServerSpec, origin: ServerOrigin) -> Sequence[RemoteTool]:
        self.checked.append((spec, origin))
        server = self._server("check")
        if server.broken is not None:
            raise McpUnavailableError(server.broken)
        return [tool.described for tool in server.tools]

    async def close(self) -> None:
        self.is_closed = True

    def _server(self, name: str) -> ScriptedServer:
        return self.servers.setdefault(name, ScriptedServer())

    def _require(self, name: str) -> None:
        server = self._server(name)
        if server.broken is not None:
            self._become(name, ServerState.FAILED, reason=server.broken)
            raise McpUnavailableError(server.broken)
        if self.status(name).state is not ServerState.RUNNING:
            self._run(name)

    def _run(self, name: str) -> None:
        status = ServerStatus(
            ServerState.RUNNING,
            START_MS,
            protocol_version="2025-11-25",
            server_name=name,
            server_version="1.0",
            tools_count=len(self._server(name).tools),
        )
        self._statuses[name] = status
        if self.watch is not None:
            self.watch.on_started(name)

    def _become(self, name: str, state: ServerState, reason: str) -> None:
        self._statuses[name] = replace(ServerStatus(state, START_MS), reason=reason)
