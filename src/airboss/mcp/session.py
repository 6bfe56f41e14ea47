"""What an open connection offers to its owner; nothing here knows the SDK."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from airboss.domain.mcp_servers import RemoteTool, ServerOrigin, ServerSpec
from airboss.ports.mcp import OnProgress


@dataclass(frozen=True, slots=True)
class Target:
    """A server to connect to; told on the event loop when it changes its tools or nothing more will come."""

    name: str
    spec: ServerSpec
    origin: ServerOrigin
    on_ended: Callable[[], None]
    on_tools_changed: Callable[[], None]


@dataclass(frozen=True, slots=True)
class Peer:
    """What the server says of itself."""

    protocol_version: str
    server_name: str | None
    server_version: str | None


class Session(Protocol):
    """Used only while it is open, by the task that opened it and that task's children."""

    @property
    def peer(self) -> Peer: ...

    @property
    def tools(self) -> Sequence[RemoteTool]:
        """The tools as they were when it was opened."""
        ...

    @property
    def ended(self) -> str | None:
        """Why nothing more will come, None while it may."""
        ...

    @property
    def heard_at(self) -> float:
        """When the last message came, on the monotonic clock."""
        ...

    async def list_tools(self) -> Sequence[RemoteTool]: ...

    async def call(self, tool: str, arguments: Mapping[str, Any], on_progress: OnProgress) -> Any:
        """Return the bounded answer; a cancel tells the server.

        Raises `McpToolError`, and `McpUnavailableError` where the connection broke.
        """
        ...

    async def ping(self) -> None:
        """Return when the server answers whatever it may be; raises `McpUnavailableError`."""
        ...

    async def watch_tools(self) -> None:
        """Tell of each change of the list of tools, until cancelled or where nothing need be asked for."""
        ...


#: Opens a session for the length of a block, in the task that enters it; raises `McpUnavailableError`.
OpenSession = Callable[[Target], AbstractAsyncContextManager[Session]]
#: Loads what is needed to open sessions: the SDK takes the better part of a second and 30 MB.
LoadSessions = Callable[[], Awaitable[OpenSession]]
