"""A small client over our connections, for the conformance suite: its last argument is the server's address."""

import asyncio
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.support.mcp_rig import mcp_rig  # noqa: E402

from airboss.domain.mcp_servers import ExternalSpec, ServerState  # noqa: E402

ARGUMENTS = {"add_numbers": {"a": 5, "b": 3}}


async def use(url: str) -> int:
    """List the tools and call each; returns 1 where the server cannot be used."""
    async with mcp_rig() as rig:
        rig.define("server", ExternalSpec(url))
        status = await rig.connections.start("server")
        if status.state is not ServerState.RUNNING:
            sys.stderr.write(f"{status.reason}\n")
            return 1
        for tool in await rig.connections.tools("server"):
            sys.stdout.write(
                f"{tool.name}: {await rig.call('server', tool.name, ARGUMENTS.get(tool.name))}\n"
            )
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(use(sys.argv[-1])))
