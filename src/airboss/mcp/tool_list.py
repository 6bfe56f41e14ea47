"""The tools of a server, within limits: what a hostile list could do to a prompt or to memory ends here."""

import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from mcp.client.session import ClientSession
from mcp_types import PaginatedRequestParams, Tool

from airboss.domain.mcp_policies import McpPolicy
from airboss.domain.mcp_servers import RemoteTool
from airboss.mcp.results import bounded
from airboss.ports.log import Log

#: As the specification names tools, and no longer.
_NAME = re.compile(r"[A-Za-z0-9_./-]{1,128}")
_MAX_PAGES = 100
_DESCRIPTION_BYTES = 8 * 1024
_NAMED_IN_LOG = 10


async def list_tools(
    session: ClientSession, policy: McpPolicy, server: str, log: Log
) -> Sequence[RemoteTool]:
    """Return the tools of all pages but for those that cannot be used, which the log names."""
    found: dict[str, RemoteTool] = {}
    dropped: list[str] = []
    async with aclosing(_pages(session)) as pages:
        async for page in pages:
            for tool in page:
                is_usable = tool.name not in found and _is_usable(tool, policy.max_tool_bytes)
                if is_usable and len(found) < policy.max_tools:
                    found[tool.name] = _remote_tool(tool)
                else:
                    dropped.append(tool.name[:128])
            if len(found) >= policy.max_tools:
                break
    if dropped:
        log.warning("mcp.tools_left_out", server=server, count=len(dropped), tools=dropped[:_NAMED_IN_LOG])
    return tuple(found.values())


async def _pages(session: ClientSession) -> AsyncGenerator[Sequence[Tool]]:
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
        yield page.tools
        cursor = page.next_cursor
        if not cursor:
            return


def _is_usable(tool: Tool, max_bytes: int) -> bool:
    schemas = json.dumps([tool.input_schema, tool.output_schema])
    return _NAME.fullmatch(tool.name) is not None and len(schemas) <= max_bytes


def _remote_tool(tool: Tool) -> RemoteTool:
    hints = tool.annotations
    return RemoteTool(
        name=tool.name,
        description=bounded(tool.description or tool.title or "", _DESCRIPTION_BYTES),
        parameters=tool.input_schema,
        output_schema=tool.output_schema,
        read_only=None if hints is None else hints.read_only_hint,
        idempotent=None if hints is None else hints.idempotent_hint,
        destructive=None if hints is None else hints.destructive_hint,
    )
