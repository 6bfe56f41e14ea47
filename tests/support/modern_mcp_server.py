"""A server of the SDK's own `MCPServer`, of the 2026-07-28 revision: over stdio, or over HTTP on loopback.

Arguments: none for stdio, `http PORT` for HTTP.
"""

import asyncio
import sys
from typing import Annotated

import uvicorn
from mcp.server.mcpserver import Context, Image, MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from mcp_types import SamplingMessage, TextContent, ToolAnnotations
from pydantic import BaseModel, Field

server = MCPServer("modern", version="1.2.3")


class Point(BaseModel):
    x: int
    y: int


@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def echo(text: str) -> str:
    return text


@server.tool()
def point(x: int, y: Annotated[int, Field(ge=0)] = 0) -> Point:
    return Point(x=x, y=y)


@server.tool()
async def count(steps: int, ctx: Context) -> str:
    for step in range(steps):
        await ctx.report_progress(step + 1, steps, f"step {step + 1}")
        await asyncio.sleep(0.15)
    return f"counted to {steps}"


@server.tool()
async def hang(ctx: Context) -> str:
    await ctx.report_progress(0, 1, "hanging")
    await asyncio.Event().wait()
    return "never"


@server.tool()
def picture() -> Image:
    return Image(data=b"\x89PNG....", format="png")


@server.tool()
def fail() -> str:
    raise ValueError("it did not work")


@server.tool()
async def grow(ctx: Context) -> str:
    """Add a tool and say so."""
    server.add_tool(lambda: "new", name="brand_new", description="new")
    await ctx.notify_tools_changed()
    return "grown"


@server.tool()
async def sample(ctx: Context) -> str:
    message = SamplingMessage(role="user", content=TextContent(type="text", text="?"))
    await ctx.session.create_message([message], max_tokens=1)
    return "sampled"


def main() -> None:
    if len(sys.argv) == 1:
        server.run("stdio")
        return
    security = TransportSecuritySettings(allowed_hosts=[f"127.0.0.1:{sys.argv[2]}"])
    app = server.streamable_http_app(transport_security=security)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")


if __name__ == "__main__":
    main()
