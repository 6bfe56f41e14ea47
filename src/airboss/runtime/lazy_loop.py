"""The agent loop, loaded when the first job needs it: the SDK behind it takes seconds and 60 MB."""

import asyncio
import importlib
from collections.abc import Callable
from typing import Any

from airboss.ports.log import Log
from airboss.ports.loop import AgentLoop
from airboss.runtime.heap import settle_heap

_FACTORY_MODULE = "airboss.loop.factory"

#: Builds the loop from the loaded factory module.
Build = Callable[[Any], AgentLoop]


class LazyLoop:
    """Loads once, off the event loop; everyone who asks meanwhile waits for the same load."""

    def __init__(self, build: Build, log: Log) -> None:
        self._build = build
        self._log = log
        self._loading: asyncio.Task[AgentLoop] | None = None
        self._loaded: AgentLoop | None = None

    async def load(self) -> AgentLoop:
        if self._loaded is not None:
            return self._loaded
        if self._loading is None:
            self._loading = asyncio.create_task(self._load(), name="load agent loop")
        return await asyncio.shield(self._loading)

    async def _load(self) -> AgentLoop:
        began = asyncio.get_running_loop().time()
        # By name and not by import: this is the one hidden import, and it is the runtime's to make.
        module = await asyncio.to_thread(importlib.import_module, _FACTORY_MODULE)
        loop = self._build(module)
        self._loaded = loop
        settle_heap()
        self._log.info("loop.loaded", seconds=round(asyncio.get_running_loop().time() - began, 3))
        return loop
