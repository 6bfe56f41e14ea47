"""MCP servers as the API takes and shows them."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from airboss.api.documents.jobs import ErrorInJob
from airboss.domain.json_spec import SERVER_NAME_PATTERN
from airboss.domain.mcp_servers import RemoteTool, ServerOrigin, ServerState
from airboss.domain.times import rfc3339
from airboss.manager.mcp_servers import CheckView, ServerView, ToolsView

_TEXT = {"type": "string", "minLength": 1}
_VALUES = {
    "type": "object",
    "description": "Secrets are references: secret://env/NAME, secret://file/PATH, secret://vault/MOUNT/PATH#KEY."
    " What looks like a secret and is none is refused.",
    "additionalProperties": {"type": "string"},
}


def _form(of: str, description: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": {of: _TEXT, **properties},
        "required": [of],
        "additionalProperties": False,
    }


#: For the reader of the OpenAPI document; the domain checks it, and names what is wrong.
JSON_SPEC_SCHEMA: dict[str, Any] = {
    "description": "What the server is follows from the keys: there is no type field.",
    "oneOf": [
        _form("endpoint_url", "A server elsewhere, over streamable HTTP.", headers=_VALUES),
        _form(
            "command",
            "A process on this node, over stdio.",
            args={"type": "array", "items": {"type": "string"}},
            env=_VALUES,
        ),
        _form("image", "A container on this node, over stdio.", env=_VALUES),
    ],
}
JsonSpec = Annotated[Any, WithJsonSchema(JSON_SPEC_SCHEMA)]

SPEC_EXAMPLE: dict[str, Any] = {
    "endpoint_url": "https://mcp.example.com/mcp",
    "headers": {"Authorization": "secret://env/EXAMPLE_AUTHORIZATION"},
}
PROCESS_SPEC_EXAMPLE: dict[str, Any] = {
    "command": "mcp-server-git",
    "args": ["--repository", "/srv/code"],
    "env": {"GIT_TOKEN": "secret://env/GIT_TOKEN"},
}
SERVER_EXAMPLE: dict[str, Any] = {
    "name": "example",
    "json_spec": SPEC_EXAMPLE,
    "origin": "api",
    "state": "running",
    "since": "2026-11-21T18:48:00.000Z",
    "reason": None,
    "protocol_version": "2025-11-25",
    "server_name": "example-server",
    "server_version": "1.4.2",
    "tools_count": 3,
    "restarts": 0,
    "agents": [],
    "created_at": "2026-11-21T18:40:00.000Z",
    "updated_at": "2026-11-21T18:40:00.000Z",
    "links": {
        "self": "/v1/mcp/servers/example",
        "tools": "/v1/mcp/servers/example/tools",
        "start": "/v1/mcp/servers/example/start",
        "stop": "/v1/mcp/servers/example/stop",
    },
}
TOOL_EXAMPLE: dict[str, Any] = {
    "name": "git_status",
    "description": "Shows the working tree status",
    "parameters": {
        "type": "object",
        "properties": {"repo_path": {"type": "string"}},
        "required": ["repo_path"],
    },
    "read_only": True,
    "idempotent": None,
    "destructive": None,
    "repeatable": True,
}
_UNAVAILABLE_EXAMPLE: dict[str, Any] = {
    "code": "mcp_unavailable",
    "type": "tool",
    "message": "it does not answer",
    "details": {"server": "example", "reason": "it does not answer"},
}
CHECK_EXAMPLE: dict[str, Any] = {
    "would": "connects to https://mcp.example.com/mcp, with the headers Authorization",
    "ok": True,
    "tools": [TOOL_EXAMPLE],
    "error": None,
}


class ServerBody(BaseModel):
    """A server to be added."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"name": "example", "json_spec": SPEC_EXAMPLE},
                {"name": "git", "json_spec": PROCESS_SPEC_EXAMPLE},
                {"name": "search", "json_spec": {"image": "registry.example.com/search:1", "env": {}}},
            ]
        },
    )

    name: str = Field(
        json_schema_extra={"pattern": SERVER_NAME_PATTERN}, description="Stands before its tools' names."
    )
    json_spec: JsonSpec


class SpecBody(BaseModel):
    """Another spec for a server that is there."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"json_spec": SPEC_EXAMPLE}]}
    )

    name: str | None = Field(None, description="May stand here as it was posted; the same as in the path.")
    json_spec: JsonSpec


class SpecCheckBody(BaseModel):
    """A spec to be tried; with a name, whether that is free is looked at too."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"name": "example", "json_spec": SPEC_EXAMPLE}]},
    )

    name: str | None = None
    json_spec: JsonSpec


class ServerLinks(BaseModel):
    self: str
    tools: str
    start: str
    stop: str


class ServerDocument(BaseModel):
    """An MCP server, and how it stands on this node; moments are null for those of the settings."""

    model_config = ConfigDict(json_schema_extra={"examples": [SERVER_EXAMPLE]})

    name: str
    json_spec: JsonSpec
    origin: ServerOrigin
    state: ServerState
    since: datetime
    reason: str | None
    protocol_version: str | None
    server_name: str | None
    server_version: str | None
    tools_count: int | None
    restarts: int
    agents: list[str]
    created_at: datetime | None
    updated_at: datetime | None
    links: ServerLinks


class ServerList(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [SERVER_EXAMPLE]}]})

    data: list[ServerDocument]


class ToolDocument(BaseModel):
    """A tool as its server describes it; `repeatable` is what its hints mean for a lost call."""

    name: str
    description: str
    parameters: dict[str, Any]
    read_only: bool | None
    idempotent: bool | None
    destructive: bool | None
    repeatable: bool


class ToolList(BaseModel):
    """A server's tools; `error` says why they cannot be had."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"data": [TOOL_EXAMPLE], "error": None},
                {"data": [], "error": _UNAVAILABLE_EXAMPLE},
            ]
        }
    )

    data: list[ToolDocument]
    error: ErrorInJob | None


class SpecCheckDocument(BaseModel):
    """What using the server would do, and what came of trying it once."""

    model_config = ConfigDict(json_schema_extra={"examples": [CHECK_EXAMPLE]})

    would: str
    ok: bool
    tools: list[ToolDocument]
    error: ErrorInJob | None


def server_document(view: ServerView) -> dict[str, Any]:
    server, status = view.server, view.status
    path = f"/v1/mcp/servers/{server.name}"
    return {
        "name": server.name,
        "json_spec": server.json_spec,
        "origin": server.origin.value,
        "state": status.state.value,
        "since": rfc3339(status.since_ms),
        "reason": status.reason,
        "protocol_version": status.protocol_version,
        "server_name": status.server_name,
        "server_version": status.server_version,
        "tools_count": status.tools_count,
        "restarts": status.restarts,
        "agents": view.agents,
        "created_at": _moment(server.created_at_ms),
        "updated_at": _moment(server.updated_at_ms),
        "links": {"self": path, **{name: f"{path}/{name}" for name in ("tools", "start", "stop")}},
    }


def tools_document(view: ToolsView) -> dict[str, Any]:
    return {"data": [_tool(tool) for tool in view.tools], "error": view.error and view.error.to_dict()}


def check_document(view: CheckView) -> dict[str, Any]:
    found = view.found
    return {
        "would": view.would,
        "ok": found.error is None,
        "tools": [_tool(tool) for tool in found.tools],
        "error": found.error and found.error.to_dict(),
    }


def _tool(tool: RemoteTool) -> dict[str, Any]:
    return {
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "read_only": tool.read_only,
        "idempotent": tool.idempotent,
        "destructive": tool.destructive,
        "repeatable": tool.repeatable,
    }


def _moment(moment_ms: int | None) -> str | None:
    return None if moment_ms is None else rfc3339(moment_ms)
