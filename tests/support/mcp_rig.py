"""Real connections to MCP servers, with everything that is told about them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2

from airboss.domain.mcp_policies import McpPolicy
from airboss.domain.mcp_servers import ProcessSpec, ServerOrigin, ServerSpec
from airboss.mcp.connections import Connections
from airboss.mcp.factory import MakeTransport
from airboss.ports.clock import Clock
from airboss.resilience.system_clock import SystemClock
from airboss.runtime.lazy_mcp import LazySessions

HOSTILE = Path(__file__).with_name("hostile_mcp_server.py")
DEADLINE_SECONDS = 20.0
#: Long enough for a busy machine, short enough for a test that waits for it.
CALL_SECONDS = 20.0


def hostile(*flags: str, **env: str) -> ProcessSpec:
    return ProcessSpec(sys.executable, ("-S", "-E", str(HOSTILE), *flags), env)


@dataclass
class RecordingLog:
    entries: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    _came: asyncio.Event = field(default_factory=asyncio.Event)

    def debug(self, event: str, **fields: Any) -> None:
        self.entries.append((event, fields))
        self._came.set()

    async def until(self, event: str, **fields: Any) -> None:
        """Wait for an entry with these fields."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not any(fields.items() <= entry.items() for entry in self.of(event)):
                self._came.clear()
                await self._came.wait()

    info = warning = error = debug

    def of(self, event: str) -> list[dict[str, Any]]:
        return [fields for name, fields in self.entries if name == event]

    @property
    def text(self) -> str:
        return json.dumps(self.entries, default=repr)


class RecordingWatch:
    """Keeps the news and lets a test wait for one."""

    def __init__(self) -> None:
        self.news: list[tuple[str, ...]] = []
        self.calls: list[tuple[str, str]] = []
        self._changed = asyncio.Event()

    def on_started(self, server: str) -> None:
        self._tell("started", server)

    def on_stopped(self, server: str, reason: str) -> None:
        self._tell("stopped", server, reason)

    def on_failed(self, server: str, reason: str) -> None:
        self._tell("failed", server, reason)

    def on_call(self, server: str, outcome: str, seconds: float) -> None:
        self.calls.append((server, outcome))
        self._changed.set()

    def count(self, kind: str) -> int:
        return sum(1 for entry in self.news if entry[0] == kind)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def _tell(self, *entry: str) -> None:
        self.news.append(entry)
        self._changed.set()


class Heard:
    """Progress of a call, as its caller hears it."""

    def __init__(self) -> None:
        self.notices: list[tuple[str, float | None]] = []
        self._came = asyncio.Event()

    def __call__(self, message: str, fraction: float | None) -> None:
        self.notices.append((message, fraction))
        self._came.set()

    async def first(self) -> tuple[str, float | None]:
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._came.wait()
        return self.notices[0]


@dataclass
class McpRig:
    connections: Connections
    watch: RecordingWatch
    log: RecordingLog

    def define(self, name: str, spec: ServerSpec, origin: ServerOrigin = ServerOrigin.SETTINGS) -> None:
        self.connections.define(name, spec, origin)

    async def call(
        self,
        name: str,
        tool: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        seconds: float = CALL_SECONDS,
        heard: Heard | None = None,
    ) -> Any:
        return await self.connections.call(name, tool, arguments or {}, heard or Heard(), seconds)

    async def tool_names(self, name: str) -> list[str]:
        return [tool.name for tool in await self.connections.tools(name)]


@asynccontextmanager
async def mcp_rig(
    policy: McpPolicy | None = None,
    *,
    clock: Clock | None = None,
    secrets: Mapping[str, str] | None = None,
    make_transport: MakeTransport | None = None,
    **fields: Any,
) -> AsyncIterator[McpRig]:
    """Connections until the end of the block; `fields` change the policy."""
    policy = replace(policy or McpPolicy(), **fields)
    time = clock or SystemClock()
    log, watch = RecordingLog(), RecordingWatch()
    known = secrets or {}
    sessions = LazySessions(
        lambda module: module.session_opener(
            policy=policy,
            read_secret=known.__getitem__,
            make_transport=make_transport or _plain,
            clock=time,
            log=log,
        ),
        log,
    )
    connections = Connections(sessions.load, policy=policy, watch=watch, log=log, clock=time)
    try:
        yield McpRig(connections, watch, log)
    finally:
        await connections.close()


def _plain(origin: ServerOrigin) -> httpx2.AsyncBaseTransport:
    # Without verify=False each transport would read the system's certificates, for no https.
    return httpx2.AsyncHTTPTransport(trust_env=False, verify=False)
