"""What opens sessions with MCP servers, loaded when the first one is needed."""

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

from airboss.mcp.session import OpenSession
from airboss.ports.log import Log
from airboss.runtime.heap import settle_heap

_FACTORY_MODULE = "airboss.mcp.factory"

#: Builds the opener from the loaded factory module.
Build = Callable[[Any], OpenSession]


class LazySessions:
    """Loads once, off the event loop; everyone who asks meanwhile waits for the same load."""

    def __init__(self, build: Build, log: Log) -> None:
        self._build = build
        self._log = log
        self._loading: asyncio.Task[OpenSession] | None = None

    async def load(self) -> OpenSession:
        if self._loading is None:
            self._loading = asyncio.create_task(self._load(), name="load MCP sessions")
        return await asyncio.shield(self._loading)

    async def _load(self) -> OpenSession:
        began = asyncio.get_running_loop().time()
        # By name and not by import: hidden as the agent loop's is, and for the same reason.
        module = await asyncio.to_thread(importlib.import_module, _FACTORY_MODULE)
        opener = self._build(module)
        settle_heap()
        self._log.info("mcp.loaded", seconds=round(asyncio.get_running_loop().time() - began, 3))
        return opener
