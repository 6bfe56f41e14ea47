"""The keys of an issuer: fetched beside the requests, kept while it is away, looked up anew when one is unknown."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.security.tokens.issuer_documents import IssuerUnavailableError
from airboss.security.tokens.keys import KeyRefusedError, VerifyKey
from airboss.security.tokens.refusals import refused

#: A key that the issuer has withdrawn is taken for so long.
REFRESH_SECONDS = 300.0
#: Between two looks that unknown keys, or an issuer that is away, can cause.
COOL_DOWN_SECONDS = 10.0

Keys = Mapping[str | None, VerifyKey]
ReadKeys = Callable[[Any], Keys]


class Documents(Protocol):
    async def key_set(self) -> Any: ...
    async def close(self) -> None: ...


class IssuerKeys:
    """One fetch at a time, whoever asks; at most one in ten seconds, whatever tokens name."""

    def __init__(self, documents: Documents, read: ReadKeys, clock: Clock, log: Log) -> None:
        self._documents = documents
        self._read = read
        self._clock = clock
        self._log = log
        self._keys: Keys = {}
        self._trouble = "not fetched yet"
        self._fetching: asyncio.Task[None] | None = None
        self._looked_at: float | None = None
        self.generation = 0

    @property
    def is_usable(self) -> bool:
        return bool(self._keys)

    @property
    def detail(self) -> str:
        held = f"{len(self._keys)} of the issuer's"
        return f"{held}; {self._trouble}" if self._trouble else held

    async def keep(self) -> None:
        """Fetch them now, then again and again, until cancelled."""
        while True:
            await self._refresh()
            await self._clock.sleep(COOL_DOWN_SECONDS if self._trouble else REFRESH_SECONDS)

    async def close(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
        await self._documents.close()

    async def find(self, key_id: str | None) -> VerifyKey | None:
        """Return the key of this id, or the only one there is; raises `unauthenticated` where there is none at all."""
        key = self._held(key_id)
        if key is None:
            await self._look_again()
            key = self._held(key_id)
        if key is None and not self._keys:
            raise refused("the keys of its issuer cannot be had now; try again in some seconds")
        return key

    async def find_newer(self, key_id: str | None, failed: VerifyKey) -> VerifyKey | None:
        """Return the key that has taken a failed one's place; None where there is none.

        Many issuers name no key while they have one, and a few keep the name for the next.
        """
        await self._look_again()
        key = self._held(key_id)
        return None if key == failed else key

    def _held(self, key_id: str | None) -> VerifyKey | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    async def _look_again(self) -> None:
        """Fetch once more, unless that was tried a moment ago: anyone can make up ids of keys."""
        is_running = self._fetching is not None and not self._fetching.done()
        if is_running or self._looked_at is None or self._seconds_since(self._looked_at) >= COOL_DOWN_SECONDS:
            await self._refresh()

    def _seconds_since(self, moment: float) -> float:
        return self._clock.monotonic() - moment

    def _refresh(self) -> Awaitable[None]:
        if self._fetching is None or self._fetching.done():
            self._looked_at = self._clock.monotonic()
            self._fetching = asyncio.create_task(self._fetch(), name="fetch issuer keys")
        # Who waits may be cancelled; the fetch is everyone's.
        return asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            keys = self._read(await self._documents.key_set())
        except (IssuerUnavailableError, KeyRefusedError) as error:
            if str(error) != self._trouble:
                self._log.warning("auth.issuer_unavailable", reason=str(error), keys_kept=len(self._keys))
            self._trouble = str(error)
            return
        self._trouble = ""
        if keys != self._keys:
            self._log.info("auth.issuer_keys", key_ids=sorted(str(key_id) for key_id in keys))
            self.generation += 1
        self._keys = keys
