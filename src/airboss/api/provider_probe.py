"""Asking a provider whether it answers, for readiness where the settings want it."""

import asyncio

from airboss.api.checks import Check
from airboss.ports.clock import Clock
from airboss.providers.registry import Provider

_TIMEOUT_SECONDS = 2.0
_CACHE_SECONDS = 10.0


class ProviderProbe:
    """Lists the provider's models: the one question that costs nothing."""

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self.name = f"provider.{provider.spec.name}"
        self._provider = provider
        self._clock = clock
        self._asked_at = 0.0
        self._last: Check | None = None

    async def check(self) -> Check:
        """Return the answer, at most ten seconds old, within two."""
        now = self._clock.monotonic()
        if self._last is None or now - self._asked_at >= _CACHE_SECONDS:
            self._asked_at = now
            self._last = await self._ask()
        return self._last

    async def _ask(self) -> Check:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                listed = await self._provider.catalogue.refresh()
        except TimeoutError:
            return Check(ok=False, detail=f"no answer within {_TIMEOUT_SECONDS:g} s")
        if listed.error is not None:
            return Check(ok=False, detail=listed.error.message)
        return Check(ok=True, detail=f"{len(listed.models)} models")
