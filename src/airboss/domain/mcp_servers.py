"""MCP servers: what one is follows from what its spec contains."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True)
class ExternalSpec:
    """A server that runs elsewhere. Values of headers are secret references."""

    endpoint_url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A process that this node starts. Values of the environment are secret references."""

    command: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """A container that this node starts, through `docker` or `podman`."""

    image: str
    env: Mapping[str, str] = field(default_factory=dict)


ServerSpec = ExternalSpec | ProcessSpec | ContainerSpec


class ServerOrigin(StrEnum):
    """Who defined a server: what operators wrote into the settings is trusted further than the API."""

    SETTINGS = "settings"
    API = "api"


class ServerState(StrEnum):
    """The life of a connection: `failed` is tried again by itself, `quarantined` is left alone for longer."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    FAILED = "failed"
    QUARANTINED = "quarantined"


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """How a connection stands on this node; `reason` is for people, and holds no secret."""

    state: ServerState
    since_ms: int
    reason: str | None = None
    protocol_version: str | None = None
    server_name: str | None = None
    server_version: str | None = None
    tools_count: int | None = None
    restarts: int = 0


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """A tool as its server describes it; the annotations are hints, and None where it says nothing."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    output_schema: Mapping[str, Any] | None = None
    read_only: bool | None = None
    idempotent: bool | None = None
    destructive: bool | None = None

    @property
    def repeatable(self) -> bool:
        """Whether a call may be made again when its answer was lost: only where the server says so."""
        return self.read_only is True or self.idempotent is True
