"""News of MCP servers, written as events behind what they are about."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from airboss.domain.errors import StorageUnavailableError
from airboss.domain.event_types import EventType
from airboss.domain.events import EventDraft
from airboss.ports.clock import Clock
from airboss.ports.store import Store

_WRITE_SECONDS = 0.5

#: Told of each tool call: the server, its outcome and its seconds.
OnCall = Callable[[str, str, float], None]


class McpNews:
    """An `McpWatch`; knows which request made a server start or stop, where one did."""

    def __init__(self, store: Store, clock: Clock, on_call: OnCall) -> None:
        self._store = store
        self._clock = clock
        self._on_call = on_call
        self._causes: dict[str, str] = {}
        self._writing: set[asyncio.Task[None]] = set()

    @contextmanager
    def caused_by(self, server: str, correlation_id: str) -> Iterator[None]:
        """Give the news of a server this correlation id while the block runs."""
        self._causes[server] = correlation_id
        try:
            yield
        finally:
            self._causes.pop(server, None)

    def draft(
        self, kind: EventType, server: str, reason: str | None, correlation_id: str | None
    ) -> EventDraft:
        data = {"server": server, "reason": reason, "correlation_id": correlation_id}
        return EventDraft(kind, self._clock.now_ms(), data)

    def on_started(self, server: str) -> None:
        self._announce(EventType.MCP_SERVER_STARTED, server, None)

    def on_stopped(self, server: str, reason: str) -> None:
        self._announce(EventType.MCP_SERVER_STOPPED, server, reason)

    def on_failed(self, server: str, reason: str) -> None:
        self._announce(EventType.MCP_SERVER_FAILED, server, reason)

    def on_call(self, server: str, outcome: str, seconds: float) -> None:
        self._on_call(server, outcome, seconds)

    async def stop(self) -> None:
        """Wait until what was told is written, but not for a store that hangs."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=_WRITE_SECONDS)

    def _announce(self, kind: EventType, server: str, reason: str | None) -> None:
        draft = self.draft(kind, server, reason, self._causes.get(server))
        task = asyncio.create_task(self._write(draft))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, draft: EventDraft) -> None:
        # News that cannot be written must not hold up the server they are about.
        with suppress(StorageUnavailableError):
            await self._store.announce([draft])
