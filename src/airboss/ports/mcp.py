"""Connections to MCP servers, as everything above them knows them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from airboss.domain.mcp_servers import RemoteTool, ServerOrigin, ServerSpec, ServerStatus

#: Told of progress: a message, and a fraction from 0 to 1 where the server names a total.
OnProgress = Callable[[str, float | None], None]


class McpUnavailableError(Exception):
    """The server cannot be used now; the text says why, for operators and for the job's error."""


class McpNotSentError(McpUnavailableError):
    """Nothing of the call reached the server, so that it cannot have had an effect."""


class McpToolError(Exception):
    """The server answered that the call failed; the text is the server's, bounded, for the model."""


class McpWatch(Protocol):
    """Told on the event loop; must be quick."""

    def on_started(self, server: str) -> None: ...
    def on_stopped(self, server: str, reason: str) -> None: ...
    def on_failed(self, server: str, reason: str) -> None: ...
    def on_call(self, server: str, outcome: str, seconds: float) -> None:
        """One tool call ended; the outcome is `ok`, `tool_failed`, `mcp_unavailable`, `timeout` or `cancelled`."""
        ...


class McpConnections(Protocol):
    """One connection per server, opened at the first use or by `start`, owned by a task of its own."""

    def define(self, name: str, spec: ServerSpec, origin: ServerOrigin) -> None:
        """Make a server known, or give it another spec; a running one is reopened with it."""
        ...

    async def remove(self, name: str) -> None:
        """Close and forget a server."""
        ...

    async def start(self, name: str) -> ServerStatus:
        """Open the connection, out of quarantine too; returns when it runs or has failed."""
        ...

    async def stop(self, name: str) -> ServerStatus:
        """Close the connection and keep it closed until `start`; calls in flight end."""
        ...

    def status(self, name: str) -> ServerStatus: ...

    async def tools(self, name: str) -> Sequence[RemoteTool]:
        """Return the tools, opening the connection where needed; raises `McpUnavailableError`."""
        ...

    async def call(
        self,
        name: str,
        tool: str,
        arguments: Mapping[str, Any],
        on_progress: OnProgress,
        timeout_seconds: float,
    ) -> Any:
        """Call a tool and return its bounded answer, text or JSON.

        Raises `McpNotSentError` where it was not sent, `McpUnavailableError` where its connection broke,
        `McpToolError` where the server says that it failed, TimeoutError. A cancelled caller ends the call,
        never the session.
        """
        ...

    async def check(self, spec: ServerSpec, origin: ServerOrigin) -> Sequence[RemoteTool]:
        """Open a connection for once, list the tools and close it; raises `McpUnavailableError`."""
        ...

    async def close(self) -> None:
        """End every connection and every process with its children; idempotent."""
        ...
