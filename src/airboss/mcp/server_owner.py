"""The owner of one server's connection: one task opens it, uses it and closes it, again and again."""

import asyncio
import math
from collections import deque
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import anyio

from airboss.domain.mcp_policies import McpPolicy
from airboss.domain.mcp_servers import RemoteTool, ServerOrigin, ServerSpec, ServerState, ServerStatus
from airboss.mcp.call import Call
from airboss.mcp.restart_budget import RestartBudget
from airboss.mcp.session import LoadSessions, Peer, Session, Target
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.mcp import McpNotSentError, McpToolError, McpUnavailableError, McpWatch, OnProgress

#: For calls that are cancelled to tell the server so, before the connection is closed.
_FAREWELL_SECONDS = 0.5
#: The SDK gives the notice of a cancelled call up to five seconds.
_CHILDREN_SECONDS = 6.0
#: Moves of a running owner that it makes by itself, without being asked.
_OPENING = frozenset({ServerState.STOPPED, ServerState.STARTING})


@dataclass(frozen=True, slots=True)
class Parts:
    """What every owner needs."""

    load: LoadSessions
    policy: McpPolicy
    watch: McpWatch
    log: Log
    clock: Clock


class ServerOwner:
    """Calls reach the session through a bounded queue, and each runs in a child task of the owner's.

    `_bell` rings whenever the owner's task has something to look at: a call, an end, a wish.
    """

    def __init__(self, name: str, spec: ServerSpec, origin: ServerOrigin, parts: Parts) -> None:
        self._name = name
        self._spec = spec
        self._origin = origin
        self._parts = parts
        self._policy = parts.policy
        self._budget = RestartBudget(parts.policy.restart, parts.clock)
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._opening: anyio.CancelScope | None = None
        self._children: set[asyncio.Task[None]] = set()
        self._waiting: deque[Call] = deque()
        self._in_flight = 0
        self._askers: set[asyncio.Future[None]] = set()
        self._tools: Sequence[RemoteTool] = ()
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
        self._broken: str | None = None
        self._is_suspect = False
        self._is_probing = False
        self._tools_are_stale = False
        self._is_listing = False
        self._timeouts = 0
