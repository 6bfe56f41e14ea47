"""McpServers: the one place where MCP servers are defined, started, stopped and asked about."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from airboss.domain.agents import AgentSpec
from airboss.domain.audit import AuditAction, Caller, TargetKind, shared
from airboss.domain.errors import AirbossError, JobError
from airboss.domain.event_types import EventType
from airboss.domain.json_spec import (
    JsonSpecError,
    SpecProblem,
    name_problem,
    parse_json_spec,
    to_json_spec,
)
from airboss.domain.mcp_policies import ServersPolicy
from airboss.domain.mcp_servers import (
    ContainerSpec,
    ExternalSpec,
    ProcessSpec,
    RemoteTool,
    ServerOrigin,
    ServerSpec,
    ServerState,
    ServerStatus,
)
from airboss.domain.nearest_name import suggestion
from airboss.manager.mcp_news import McpNews
from airboss.manager.server_permissions import forbidden
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.mcp import McpConnections, McpUnavailableError
from airboss.ports.mcp_store import KeptServer, ServerChange
from airboss.ports.store import Store
from airboss.security.secrets import REFERENCE_FORMS, is_reference

T = TypeVar("T")
_SPEC_FIELD = "json_spec"


@dataclass(frozen=True, slots=True)
class Server:
    """A server as it was defined; `barred` says why it may not be used though it is kept."""

    name: str
    json_spec: dict[str, Any]
    origin: ServerOrigin
    created_at_ms: int | None = None
    updated_at_ms: int | None = None
    barred: str | None = None


@dataclass(frozen=True, slots=True)
class ServerView:
    """A server, how it stands on this node, and the agents that have its tools."""

    server: Server
    status: ServerStatus
    agents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ToolsView:
    """A server's tools, or why they cannot be had."""

    tools: Sequence[RemoteTool]
    error: JobError | None = None


@dataclass(frozen=True, slots=True)
class CheckView:
    """What would happen, and what did when it was tried once."""

    would: str
    found: ToolsView


class McpServers:
    """One per process. Those of the settings are there from the start and stay as they are."""

    def __init__(
        self,
        *,
        store: Store,
        connections: McpConnections,
        news: McpNews,
        policy: ServersPolicy,
        agents: Iterable[AgentSpec],
        clock: Clock,
        log: Log,
    ) -> None:
        self._store = store
        self._connections = connections
        self._news = news
        self._policy = policy
        self._agents = tuple(agents)
        self._clock = clock
        self._log = log
        self._servers: dict[str, Server] = {}
        self._started_at_ms = clock.now_ms()
        #: Definitions come one after another, so that the store and the connections agree on which was last.
        self._defining = asyncio.Lock()
        self._changes: set[asyncio.Task[Any]] = set()
        for name, spec in policy.servers.items():
            self._servers[name] = Server(name, to_json_spec(spec), ServerOrigin.SETTINGS)

    async def load(self) -> None:
        """Make the servers of the settings and of the store known; none is started."""
        for name, spec in self._policy.servers.items():
            self._connections.define(name, spec, ServerOrigin.SETTINGS)
        for kept in await self._store.mcp_servers():
            if kept.name in self._servers:
                self._log.warning(
                    "mcp.server_hidden", server=kept.name, reason="the settings have one of this name"
                )
            else:
                self._servers[kept.name] = self._taken_back(kept)

    def _taken_back(self, kept: KeptServer) -> Server:
        """Define a kept server; one that the settings allow no more is shown and not used."""
        server = Server(
            kept.name, dict(kept.json_spec), ServerOrigin.API, kept.created_at_ms, kept.updated_at_ms
        )
        try:
            spec = self._allowed(kept.json_spec)
        except AirbossError as error:
            self._log.warning("mcp.server_barred", server=kept.name, reason=error.message)
            return replace(server, barred=error.message)
        self._connections.define(kept.name, spec, ServerOrigin.API)
        return server

    async def stop_all(self) -> None:
        """End every connection, and write what is still to be told."""
        await self._connections.close()
        await self._news.stop()

    # -- asking ---------------------------------------------------------------------------------------

    def views(self) -> Sequence[ServerView]:
        return [self._view(self._servers[name]) for name in sorted(self._servers)]

    def view(self, name: str) -> ServerView:
        """Return a server; raises `unknown_server`."""
        return self._view(self._get(name))

    def states(self) -> dict[str, ServerState]:
        return {name: self._status(server).state for name, server in self._servers.items()}

    async def tools(self, name: str) -> ToolsView:
        """Return a server's tools, opening its connection where needed; raises `unknown_server`."""
        server = self._get(name)
        if server.barred is not None:
            return ToolsView((), _unavailable(name, server.barred))
        try:
            return ToolsView(await self._connections.tools(name))
        except McpUnavailableError as error:
            return ToolsView((), _unavailable(name, str(error)))

    async def check(self, name: str | None, json_spec: object) -> CheckView:
        """Try a spec once and keep nothing; raises what `create` would raise."""
        if name is not None:
            self._require_free(name)
        spec = self._allowed(json_spec)
        try:
            found = ToolsView(await self._connections.check(spec, ServerOrigin.API))
        except McpUnavailableError as error:
            found = ToolsView((), _unavailable(name, str(error)))
        return CheckView(_would(spec), found)

    # -- changing -------------------------------------------------------------------------------------

    async def create(self, name: str, json_spec: object, caller: Caller) -> ServerView:
        """Add a server; raises `invalid_body`, `forbidden` or `server_exists`."""
        return await self._to_its_end(self._create(name, json_spec, caller))

    async def update(self, name: str, json_spec: object, caller: Caller) -> ServerView:
        """Give a server another spec; raises `invalid_body`, `forbidden` or `unknown_server`."""
        return await self._to_its_end(self._update(name, json_spec, caller))

    async def delete(self, name: str, caller: Caller) -> None:
        """Close and delete a server; raises `forbidden` or `unknown_server`."""
        await self._to_its_end(self._delete(name, caller))

    async def start(self, name: str, caller: Caller) -> ServerView:
        """Open a server's connection, out of quarantine too; how that went stands in the view."""
        return await self._to_its_end(self._start(name, caller))

    async def stop(self, name: str, caller: Caller) -> ServerView:
        """Close a server's connection and keep it closed until `start`."""
        return await self._to_its_end(self._stop(name, caller))

    async def _create(self, name: str, json_spec: object, caller: Caller) -> ServerView:
        spec = self._allowed(json_spec)
        async with self._defining:
            self._require_free(name)
            change = self._change(EventType.MCP_SERVER_CREATED, AuditAction.SERVER_CREATE, name, caller)
            kept = await self._store.create_mcp_server(name, to_json_spec(spec), change)
            if kept is None:
                raise _exists(name)
            return self._defined(kept, spec)

    async def _update(self, name: str, json_spec: object, caller: Caller) -> ServerView:
        self._require_own(name)
        spec = self._allowed(json_spec)
        async with self._defining:
            self._require_own(name)
            change = self._change(EventType.MCP_SERVER_UPDATED, AuditAction.SERVER_UPDATE, name, caller)
            kept = await self._store.update_mcp_server(name, to_json_spec(spec), change)
            if kept is None:
                raise self._unknown(name)
            return self._defined(kept, spec)

    def _defined(self, kept: KeptServer, spec: ServerSpec) -> ServerView:
        self._connections.define(kept.name, spec, ServerOrigin.API)
        server = Server(
            kept.name, dict(kept.json_spec), ServerOrigin.API, kept.created_at_ms, kept.updated_at_ms
        )
        self._servers[kept.name] = server
        return self._view(server)

    async def _delete(self, name: str, caller: Caller) -> None:
        async with self._defining:
            server = self._require_own(name)
            change = self._change(EventType.MCP_SERVER_DELETED, AuditAction.SERVER_DELETE, name, caller)
            await self._store.delete_mcp_server(name, change)
            del self._servers[name]
            if server.barred is None:
                with self._news.caused_by(name, caller.correlation_id):
                    await self._connections.remove(name)

    async def _start(self, name: str, caller: Caller) -> ServerView:
        server = self._get(name)
        if server.barred is not None:
            raise AirbossError("forbidden", server.barred)
        await self._audit(AuditAction.SERVER_START, name, caller)
        with self._news.caused_by(name, caller.correlation_id):
            await self._connections.start(name)
        return self.view(name)

    async def _stop(self, name: str, caller: Caller) -> ServerView:
        server = self._get(name)
        if server.barred is None:
            await self._audit(AuditAction.SERVER_STOP, name, caller)
            with self._news.caused_by(name, caller.correlation_id):
                await self._connections.stop(name)
        return self.view(name)

    async def _audit(self, action: AuditAction, name: str, caller: Caller) -> None:
        entry = shared(action, TargetKind.SERVER, name, caller, self._clock.now_ms())
        await self._store.announce([], [entry])

    def _change(self, kind: EventType, action: AuditAction, name: str, caller: Caller) -> ServerChange:
        event = self._news.draft(kind, name, None, caller.correlation_id)
        entry = shared(action, TargetKind.SERVER, name, caller, event.time_ms)
        return ServerChange(event.time_ms, event, entry)

    async def _to_its_end(self, change: Coroutine[Any, Any, T]) -> T:
        """Make a change on disk and here, both, even where the caller who asked for it goes away."""
        task = asyncio.create_task(change)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        return await asyncio.shield(task)

    # -- checking -------------------------------------------------------------------------------------

    def _allowed(self, json_spec: object) -> ServerSpec:
        """Return what a caller's spec means; raises `invalid_body` or `forbidden`, naming the part."""
        try:
            spec = parse_json_spec(json_spec, is_reference, REFERENCE_FORMS)
        except JsonSpecError as error:
            raise _refused("invalid_body", error.problems) from None
        if (problem := forbidden(spec, self._policy)) is not None:
            raise _refused("forbidden", (problem,))
        return spec

    def _require_free(self, name: str) -> None:
        if (problem := name_problem(name)) is not None:
            raise _refused("invalid_body", (SpecProblem((), problem),), field="name")
        if name in self._servers:
            raise _exists(name)

    def _require_own(self, name: str) -> Server:
        server = self._get(name)
        if server.origin is ServerOrigin.SETTINGS:
            raise AirbossError(
                "forbidden",
                f"the server '{name}' is of the settings: change mcp.servers.{name} there and start again",
            )
        return server

    def _get(self, name: str) -> Server:
        server = self._servers.get(name)
        if server is None:
            raise self._unknown(name)
        return server

    def _unknown(self, name: str) -> AirbossError:
        names = sorted(self._servers)
        text = f"there is no MCP server '{name[:64]}'; {suggestion(name, names)}"
        return AirbossError("unknown_server", text, details={"servers": names})

    def _view(self, server: Server) -> ServerView:
        agents = tuple(agent.name for agent in self._agents if server.name in agent.mcp_servers)
        return ServerView(server, self._status(server), agents)

    def _status(self, server: Server) -> ServerStatus:
        if server.barred is not None:
            return ServerStatus(ServerState.FAILED, self._started_at_ms, reason=server.barred)
        return self._connections.status(server.name)


def _exists(name: str) -> AirbossError:
    return AirbossError(
        "server_exists", f"there is an MCP server '{name}' already; update it, or delete it first"
    )


def _refused(code: str, problems: Sequence[SpecProblem], field: str = _SPEC_FIELD) -> AirbossError:
    told = [
        {"in": "body", "field": ".".join((field, *problem.path)), "message": problem.text}
        for problem in problems
    ]
    message = "; ".join(f"{each['field']}: {each['message']}" for each in told[:5])
    return AirbossError(code, message, details={"problems": told[:20]})


def _unavailable(name: str | None, reason: str) -> JobError:
    return JobError(
        "mcp_unavailable", reason, {"reason": reason} | ({} if name is None else {"server": name})
    )


def _would(spec: ServerSpec) -> str:
    """Say what using the server does, in words for the admin who is about to add it."""
    match spec:
        case ExternalSpec():
            sent = f", with the headers {', '.join(spec.headers)}" if spec.headers else ""
            return f"connects to {spec.endpoint_url}{sent}"
        case ProcessSpec():
            given = f", with the variables {', '.join(spec.env)}" if spec.env else ""
            return f"starts the process {' '.join((spec.command, *spec.args))} on this node{given}"
        case ContainerSpec():
            given = f", with the variables {', '.join(spec.env)}" if spec.env else ""
            return f"starts a container of {spec.image} on this node{given}"
