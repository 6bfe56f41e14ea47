"""Tools of MCP servers as an agent's own: SERVER.TOOL, and the generic `mcp.call`."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from airboss.domain.agents import AgentSpec
from airboss.domain.errors import JobFailure
from airboss.domain.mcp_servers import RemoteTool
from airboss.domain.tool_names import GENERIC_MCP_CALL
from airboss.ports.mcp import McpConnections, McpNotSentError, McpToolError, McpUnavailableError
from airboss.ports.tools import Tool, ToolContext, ToolDeniedError, ToolError, ToolUnavailableError
from airboss.tools.argument_check import ArgumentCheck

#: How long a server may take for one call; the job's own time may end before.
CALL_SECONDS = 120.0
_NAMED_TOOLS = 50


class McpTools:
    """Gives each agent the tools of its servers, and no others."""

    def __init__(self, connections: McpConnections) -> None:
        self._connections = connections

    async def tools_of(self, agent: AgentSpec) -> Sequence[Tool]:
        """Return the tools of the agent's servers; raises `mcp_unavailable` for the first that has none to tell."""
        servers = tuple(dict.fromkeys(agent.mcp_servers))
        listed = await asyncio.gather(*(self._list(server) for server in servers), return_exceptions=True)
        tools: list[Tool] = []
        for remotes in listed:
            if isinstance(remotes, BaseException):
                raise remotes
            tools += remotes
        if GENERIC_MCP_CALL in agent.tools:
            tools.append(GenericCall(self._connections, servers))
        return tools

    async def _list(self, server: str) -> list[Tool]:
        try:
            remotes = await self._connections.tools(server)
        except McpUnavailableError as error:
            raise _unavailable(server, error) from None
        # By name: a server may list them in another order in the next run, and would be asked anew for that.
        by_name = {remote.name: remote for remote in remotes}
        return [McpTool(self._connections, server, by_name[name]) for name in sorted(by_name)]


class McpTool:
    """One tool of one server."""

    def __init__(self, connections: McpConnections, server: str, remote: RemoteTool) -> None:
        self._connections = connections
        self._server = server
        self._remote = remote
        self._check = ArgumentCheck(remote.parameters)

    @property
    def name(self) -> str:
        return f"{self._server}.{self._remote.name}"

    @property
    def description(self) -> str:
        return self._remote.description

    @property
    def parameters(self) -> Mapping[str, Any]:
        # Providers ask for both, servers may leave them out where a tool takes nothing.
        return {"type": "object", "properties": {}, **self._remote.parameters}

    @property
    def repeatable(self) -> bool:
        return self._remote.repeatable

    async def call(self, context: ToolContext, arguments: Mapping[str, Any]) -> Any:
        """Check the arguments, then ask the server; raises `ToolError` and `ToolUnavailableError`."""
        self._check.check(arguments)
        try:
            return await self._ask(context, arguments)
        except McpUnavailableError as error:
            may_have_run = not isinstance(error, McpNotSentError)
            if not (may_have_run and self.repeatable):
                failure = _unavailable(self._server, error)
                raise ToolUnavailableError(failure, may_have_run=may_have_run) from None
        # The connection broke under a call that may be made twice: it may stand again by now.
        try:
            return await self._ask(context, arguments)
        except McpUnavailableError as error:
            raise ToolUnavailableError(_unavailable(self._server, error), may_have_run=True) from None

    async def _ask(self, context: ToolContext, arguments: Mapping[str, Any]) -> Any:
        try:
            return await self._connections.call(
                self._server, self._remote.name, arguments, context.on_progress, CALL_SECONDS
            )
        except McpToolError as error:
            raise ToolError("tool_failed", str(error) or f"{self.name} failed and does not say why") from None
        except TimeoutError:
            text = f"{self.name} did not answer within {CALL_SECONDS:g} s"
            if not self.repeatable:
                text += "; it may have had its effect all the same"
            raise ToolError("timeout", text) from None


class GenericCall:
    """`mcp.call`: any tool of the agent's servers by name, for models that are to choose at run time.

    It may call what may not be repeated, so it may not be repeated itself.
    """

    name = GENERIC_MCP_CALL
    description = (
        "Call a tool of an MCP server by name, with arguments that fit its schema. The error for an unknown tool"
        " lists those there are."
    )
    repeatable = False

    def __init__(self, connections: McpConnections, servers: Sequence[str]) -> None:
        self._connections = connections
        self._servers = servers
        self._check = ArgumentCheck(self.parameters)

    @property
    def parameters(self) -> Mapping[str, Any]:
        return {
            "type": "object",
            "properties": {
                "server": {"type": "string", "description": f"One of: {', '.join(self._servers)}."},
                "tool": {"type": "string", "description": "The tool's own name, without its server."},
                "arguments": {"type": "object", "description": "The tool's arguments.", "default": {}},
            },
            "required": ["server", "tool"],
            "additionalProperties": False,
        }

    async def call(self, context: ToolContext, arguments: Mapping[str, Any]) -> Any:
        self._check.check(arguments)
        server, name = arguments["server"], arguments["tool"]
        if server not in self._servers:
            raise ToolDeniedError(
                "server_not_allowed",
                f"this agent has no MCP server '{server[:64]}'; it has {', '.join(self._servers) or 'none'}",
            )
        remote = await self._find(server, name)
        return await McpTool(self._connections, server, remote).call(context, arguments.get("arguments", {}))

    async def _find(self, server: str, name: str) -> RemoteTool:
        try:
            remotes = await self._connections.tools(server)
        except McpUnavailableError as error:
            raise ToolUnavailableError(_unavailable(server, error), may_have_run=False) from None
        for remote in remotes:
            if remote.name == name:
                return remote
        there = ", ".join(sorted(remote.name for remote in remotes)[:_NAMED_TOOLS]) or "none"
        raise ToolError("unknown_tool", f"'{server}' has no tool '{name[:64]}'; there are: {there}")


def _unavailable(server: str, error: McpUnavailableError) -> JobFailure:
    return JobFailure(
        "mcp_unavailable",
        f"the MCP server '{server}' cannot be used: {error}",
        {"server": server, "reason": str(error)},
    )
