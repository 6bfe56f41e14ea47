"""A session of the SDK, as its owner sees it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from mcp.client.client import Client
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, CallToolResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from airboss.domain.mcp_policies import McpPolicy
from airboss.domain.mcp_servers import RemoteTool
from airboss.mcp.progress import Progress
from airboss.mcp.results import answer_of, bounded, text_of
from airboss.mcp.session import Peer, Target
from airboss.mcp.tool_list import list_tools
from airboss.mcp.wire_notes import WireNotes
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.mcp import McpToolError, McpUnavailableError, OnProgress

#: What the SDK says for a request whose answer cannot come, though the session lives.
_LOST = ("Connection closed", "SSE stream", "Server returned an error response", "Session terminated")
_LISTEN_AGAIN_SECONDS = 5.0


class SdkSession:
    """Wraps an entered `Client`."""

    def __init__(
        self, client: Client, target: Target, policy: McpPolicy, notes: WireNotes, log: Log, clock: Clock
    ) -> None:
        self._client = client
        self._name = target.name
        self._on_tools_changed = target.on_tools_changed
        self._policy = policy
        self._notes = notes
        self._log = log
        self._clock = clock
        self.tools: Sequence[RemoteTool] = ()
        # The SDK checks answers against the server's own schema. Its patterns are regular expressions that the
        # server chose: one of them with one answer can hold the event loop for ever.
        client.session.validate_tool_result = _unchecked  # type: ignore[method-assign]

    @property
    def peer(self) -> Peer:
        info = self._client.server_info
        return Peer(
            protocol_version=self._client.protocol_version,
            server_name=None if info is None else self._notes.name(info.name),
            server_version=None if info is None else self._notes.name(info.version),
        )

    @property
    def ended(self) -> str | None:
        return self._notes.ended

    @property
    def heard_at(self) -> float:
        return self._notes.heard_at

    async def list_tools(self) -> Sequence[RemoteTool]:
        if self._client.server_capabilities.tools is None:
            return ()
        try:
            return await list_tools(self._client.session, self._policy, self._name, self._log)
        except MCPError as error:
            raise McpUnavailableError(f"its tools cannot be listed: {error}") from None
        except ValidationError:
            raise McpUnavailableError("its list of tools does not follow the protocol") from None

    async def call(self, tool: str, arguments: Mapping[str, Any], on_progress: OnProgress) -> Any:
        progress = Progress(on_progress, self._policy.max_progress_per_second, self._clock)
        try:
            result = await self._client.call_tool(tool, dict(arguments), progress_callback=progress)
        except MCPError as error:
            raise self._call_error(error) from None
        except ValidationError:
            raise McpToolError("the answer of the server does not follow the protocol") from None
        except RuntimeError as error:
            raise McpToolError(self._bounded(str(error))) from None
        if result.is_error:
            raise McpToolError(
                self._bounded(text_of(result.content)) or "the tool failed and does not say why"
            )
        return answer_of(result, self._policy.max_answer_bytes)

    def _call_error(self, error: MCPError) -> Exception:
        is_lost = error.message.startswith(_LOST) and (
            self._notes.ended is not None
            or error.code == CONNECTION_CLOSED
            or self._notes.refusal is not None
        )
        if is_lost:
            return McpUnavailableError(
                self._notes.told(f"the connection broke during the call: {error.message}")
            )
        return McpToolError(self._bounded(error.message))

    def _bounded(self, text: str) -> str:
        return bounded(self._notes.secrets.masked(text), self._policy.max_error_bytes)

    async def ping(self) -> None:
        session = self._client.session
        try:
            if self._is_modern:
                # This revision has no ping: what every server must answer serves as well.
                await session.send_discover(self._client.protocol_version)
            else:
                await session.send_ping()
        except MCPError as error:
            if (
                self._notes.ended is not None
                or error.message.startswith(_LOST)
                or "timed out" in error.message
            ):
                raise McpUnavailableError(self._notes.told("it does not answer a ping")) from None

    async def watch_tools(self) -> None:
        """Older servers just send a notification; newer ones are asked for a stream."""
        tools = self._client.server_capabilities.tools
        if not self._is_modern or tools is None or not tools.list_changed:
            return
        while True:
            try:
                async with self._client.listen(tools_list_changed=True) as changes:
                    if not changes.honored.tools_list_changed:
                        return
                    async for _ in changes:
                        self._on_tools_changed()
            except SubscriptionLost:
                pass
            except (MCPError, TimeoutError):
                return
            # Nothing is replayed: what changed meanwhile is asked for.
            await asyncio.sleep(_LISTEN_AGAIN_SECONDS)
            self._on_tools_changed()

    @property
    def _is_modern(self) -> bool:
        return self._client.protocol_version in MODERN_PROTOCOL_VERSIONS


async def _unchecked(name: str, result: CallToolResult) -> None:
    """Accept the answer."""
