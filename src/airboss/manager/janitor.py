"""Retention: what is over is kept for a time and then removed, a part at a time."""

from airboss.domain.errors import StorageUnavailableError
from airboss.domain.policies import RetentionPolicy
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.store import Cutoffs, Store
from airboss.resilience.background import Background

_ROUND_SECONDS = 60.0
_PART = 500


class Janitor:
    """Prunes once a minute."""

    def __init__(self, store: Store, policy: RetentionPolicy, clock: Clock, log: Log) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._log = log
        self._background = Background("janitor", self._run)

    async def start(self) -> None:
        self._background.start()

    async def stop(self) -> None:
        await self._background.stop()

    async def _run(self) -> None:
        while True:
            await self._clock.sleep(_ROUND_SECONDS)
            try:
                await self.prune()
            except StorageUnavailableError as error:
                self._log.warning("janitor.storage_unavailable", error=str(error))

    async def prune(self) -> None:
        """Remove everything that is old enough, letting other writes in between the parts."""
        more = True
        while more:
            now_ms = self._clock.now_ms()
            cutoffs = Cutoffs(
                jobs_before_ms=now_ms - round(self._policy.jobs_seconds * 1000),
                events_before_ms=now_ms - round(self._policy.events_seconds * 1000),
                keys_before_ms=now_ms - round(self._policy.keys_seconds * 1000),
            )
            report = await self._store.prune(cutoffs, now_ms, _PART)
            more = report.more
            if report.jobs or report.events or report.keys or report.audit:
                self._log.info(
                    "janitor.pruned",
                    jobs=report.jobs,
                    events=report.events,
                    idempotency_keys=report.keys,
                    audit_entries=report.audit,
                )
