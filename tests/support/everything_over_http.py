"""Uses server-everything over HTTP: run in a network of its own, since that server listens on every interface."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from tests.support.mcp_peers import wait_listening  # noqa: E402
from tests.support.mcp_rig import Heard, mcp_rig  # noqa: E402

from airboss.domain.mcp_servers import ExternalSpec  # noqa: E402
from airboss.ports.mcp import McpUnavailableError  # noqa: E402

PORT = 3001


def serve() -> subprocess.Popen[bytes]:
    environ = {"PATH": os.environ["PATH"], "PORT": str(PORT)}
    process = subprocess.Popen(sys.argv[1:], env=environ, stdout=sys.stderr)
    wait_listening(PORT, process)
    return process


async def use(found: dict[str, Any]) -> None:
    async with mcp_rig() as rig:
        server = serve()
        try:
            rig.define("e", ExternalSpec(f"http://127.0.0.1:{PORT}/mcp"))
            found["protocol"] = (await rig.connections.start("e")).protocol_version
            found["echo"] = await rig.call("e", "echo", {"message": "over HTTP"})
            heard = Heard()
            await rig.call("e", "trigger-long-running-operation", {"duration": 1, "steps": 2}, heard=heard)
            found["progress"] = [fraction for _, fraction in heard.notices]
            server.kill()
            server.wait()
            server = serve()
            # The new server does not know the session: the call that learns it is lost.
            with suppress(McpUnavailableError):
                await rig.call("e", "echo", {"message": "lost"})
            await rig.watch.until(lambda: rig.watch.count("failed") == 1)
            found["after a restart of the server"] = await rig.call("e", "echo", {"message": "again"})
            found["failures"] = rig.watch.count("failed")
        finally:
            server.kill()
            server.wait()
    found["left"] = [str(task) for task in asyncio.all_tasks() - {asyncio.current_task()}]


def main() -> None:
    found: dict[str, Any] = {}
    asyncio.run(use(found))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
