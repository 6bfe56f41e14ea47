"""The MCP servers that were added by API, as the store keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from airboss.domain.audit import AuditDraft
from airboss.domain.events import EventDraft


@dataclass(frozen=True, slots=True)
class KeptServer:
    """A server of the store; its json_spec holds references to secrets, never their values."""

    name: str
    json_spec: Mapping[str, Any]
    created_at_ms: int
    updated_at_ms: int


@dataclass(frozen=True, slots=True)
class ServerChange:
    """What is written with a change of a server, in its transaction."""

    time_ms: int
    event: EventDraft
    audit: AuditDraft | None = None


class McpServerStore(Protocol):
    """A deleted server stays as a row, out of sight; its name is free again."""

    async def mcp_servers(self) -> Sequence[KeptServer]:
        """Return the servers that are not deleted, by name."""
        ...

    async def create_mcp_server(
        self, name: str, json_spec: Mapping[str, Any], change: ServerChange
    ) -> KeptServer | None:
        """Keep a new server; None, and nothing written, where there is one of this name."""
        ...

    async def update_mcp_server(
        self, name: str, json_spec: Mapping[str, Any], change: ServerChange
    ) -> KeptServer | None:
        """Give a server another spec; None, and nothing written, where there is none of this name."""
        ...

    async def delete_mcp_server(self, name: str, change: ServerChange) -> bool:
        """Delete a server; False, and nothing written, where there is none of this name."""
        ...
