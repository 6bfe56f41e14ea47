"""Whether this node should be sent work."""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from airboss.api.checks import Check, Probe
from airboss.domain.errors import StorageUnavailableError
from airboss.manager.manager import AgentManager
from airboss.ports.clock import Clock
from airboss.ports.store import Store
from airboss.telemetry.loop_lag import LoopLag

_PROBE_CACHE_SECONDS = 1.0
_PROBE_TIMEOUT_SECONDS = 2.0
_MAX_LAG_SECONDS = 1.0


class Readiness:
    """Asks each part; the store with a real write, at most once a second."""

    def __init__(
        self,
        *,
        store: Store,
        manager: AgentManager,
        lag: LoopLag,
        clock: Clock,
        is_recovered: Callable[[], bool],
        probes: Sequence[Probe],
    ) -> None:
        self._store = store
        self._manager = manager
        self._lag = lag
        self._clock = clock
        self._probe: asyncio.Task[Check] | None = None
        self._probed_at = 0.0
        self._is_recovered = is_recovered
        self._probes = probes

    async def checks(self) -> Mapping[str, Check]:
        return {
            "storage": await self._storage(),
            "loop_lag": self._loop_lag(),
            "draining": self._draining(),
            "recovery": self._recovery(),
            "queue": self._queue(),
            **{probe.name: await probe.check() for probe in self._probes},
        }

    async def _storage(self) -> Check:
        """Share one probe among all who ask within a second."""
        now = self._clock.monotonic()
        if self._probe is None or (self._probe.done() and now - self._probed_at >= _PROBE_CACHE_SECONDS):
            self._probed_at = now
            self._probe = asyncio.create_task(self._write())
        return await asyncio.shield(self._probe)

    async def _write(self) -> Check:
        began = self._clock.monotonic()
        try:
            async with asyncio.timeout(_PROBE_TIMEOUT_SECONDS):
                await self._store.probe()
        except TimeoutError:
            return Check(ok=False, detail=f"a write took more than {_PROBE_TIMEOUT_SECONDS:g} s")
        except StorageUnavailableError as error:
            return Check(ok=False, detail=f"a write failed: {error}")
        return Check(ok=True, detail=f"written in {(self._clock.monotonic() - began) * 1000:.1f} ms")

    def _loop_lag(self) -> Check:
        seconds = self._lag.seconds
        return Check(seconds <= _MAX_LAG_SECONDS, f"{seconds * 1000:.0f} ms")

    def _recovery(self) -> Check:
        recovered = self._is_recovered()
        return Check(recovered, "done" if recovered else "still running")

    def _draining(self) -> Check:
        draining = self._manager.duty.is_draining
        return Check(not draining, "draining" if draining else "taking work")

    def _queue(self) -> Check:
        """Information: a full queue answers 429, it does not make the node unready."""
        return Check(ok=True, detail=f"{self._manager.queue_depth} of {self._manager.queue_capacity} pending")
