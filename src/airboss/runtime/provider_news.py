"""News of providers: counted as metrics and told as events."""

import asyncio
import contextlib
from collections.abc import Callable

from airboss.domain.errors import StorageUnavailableError
from airboss.domain.event_types import EventType
from airboss.domain.events import EventDraft
from airboss.ports.clock import Clock
from airboss.ports.store import Store
from airboss.telemetry.metrics import Metrics

_BREAKER_EVENTS = {
    "open": EventType.PROVIDER_BREAKER_OPENED,
    "half_open": EventType.PROVIDER_BREAKER_HALF_OPENED,
    "closed": EventType.PROVIDER_BREAKER_CLOSED,
}

_STOP_SECONDS = 0.5


class ProviderNews:
    """A `ProviderWatch`; its events are written behind the calls they are about, in order."""

    def __init__(self, store: Store, metrics: Callable[[], Metrics], clock: Clock) -> None:
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._writing: set[asyncio.Task[None]] = set()

    def on_call(self, provider: str, outcome: str, seconds: float) -> None:
        self._metrics().observe_provider_call(provider, outcome, seconds)

    def on_throttled(self, provider: str, model: str) -> None:
        self._announce(EventType.PROVIDER_THROTTLED, provider, model)

    def on_breaker(self, provider: str, model: str, state: str) -> None:
        self._metrics().set_breaker_state(provider, model, state)
        self._announce(_BREAKER_EVENTS[state], provider, model)

    async def stop(self) -> None:
        """Wait until what was told is written, but not for a store that hangs."""
        if self._writing:
            await asyncio.wait(self._writing, timeout=_STOP_SECONDS)

    def _announce(self, kind: EventType, provider: str, model: str) -> None:
        draft = EventDraft(kind, self._clock.now_ms(), {"provider": provider, "model": model})
        task = asyncio.create_task(self._write(draft))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _write(self, draft: EventDraft) -> None:
        # News that cannot be written must not fail the call it is about.
        with contextlib.suppress(StorageUnavailableError):
            await self._store.announce([draft])
