"""Rate limits counted in Redis for all nodes, and what is done while it is away."""

import asyncio
from collections.abc import Callable
from typing import Any

from limits import RateLimitItem, parse
from limits.aio.storage import RedisStorage
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from starlette.requests import Request

from airboss.api.rates.callers import caller_key
from airboss.api.rates.rates import RateLimits, Standing, apply, whole_seconds
from airboss.domain.errors import AirbossError
from airboss.domain.policies import RateKind, RatePolicy
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.security.secrets import SecretUnavailable

#: What a request may wait for Redis: more would turn its trouble into ours.
_ANSWER_SECONDS = 0.25
#: While Redis is away one request in so many seconds tries it; the others do not wait.
RETRY_SECONDS = 1.0
_MAX_CONNECTIONS = 32
_MAX_KNOWN_ENDS = 50_000
_KEY_PREFIX = "airboss:rates"


class SharedRateLimits:
    """Counts in Redis with one round trip a request.

    While Redis is away requests are counted by `alone`, this node's own limits (`limits.store_failure: open`),
    or refused (`closed`).
    """

    def __init__(
        self,
        policy: RatePolicy,
        *,
        alone: RateLimits,
        read_url: Callable[[], str],
        clock: Clock,
        log: Log,
        count_outage: Callable[[], None],
    ) -> None:
        self._rates = {kind: parse(rate) for kind, rate in policy.rates.items()}
        self._fails_open = policy.fails_open
        self._alone = alone
        self._read_url = read_url
        self._clock = clock
        self._log = log
        self._count_outage = count_outage
        self._store: RedisWindows | None = None
        self._away_until: float | None = None

    async def check(self, request: Request, kind: RateKind) -> None:
        rate = self._rates.get(kind)
        if rate is None:
            return
        standing = await self._standing(rate, caller_key(request), kind)
        if standing is not None:
            apply(standing, request, kind)
        elif self._fails_open:
            await self._alone.check(request, kind)
        else:
            raise AirbossError(
                "storage_unavailable",
                "requests cannot be counted now, and are refused until they can be",
                retry_after_seconds=whole_seconds(RETRY_SECONDS),
            )

    async def close(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            await store.close()

    async def _standing(self, rate: RateLimitItem, caller: str, kind: RateKind) -> Standing | None:
        """Return None while Redis is away."""
        now = self._clock.monotonic()
        if self._away_until is not None:
            if now < self._away_until:
                return None
            self._away_until = now + RETRY_SECONDS
        store = self._store
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                if store is None:
                    store = await self._open_store()
                standing = await store.count(rate, rate.key_for(caller, kind.value))
        except (RedisError, OSError, ValueError, SecretUnavailable) as error:
            await self._lose(store, error)
            return None
        if self._away_until is not None:
            self._away_until = None
            self._log.info("rates.store_back")
        return standing

    async def _open_store(self) -> "RedisWindows":
        # Read anew after each loss, so that a password can be changed while the server runs.
        url = await asyncio.to_thread(self._read_url)
        if self._store is None:
            self._store = RedisWindows(url, self._clock)
        return self._store

    async def _lose(self, store: "RedisWindows | None", error: Exception) -> None:
        if self._away_until is None:
            # The text of an error may hold the address with its password.
            self._log.error(
                "rates.store_lost",
                reason=type(error).__name__,
                failing="open" if self._fails_open else "closed",
            )
            self._count_outage()
        self._away_until = self._clock.monotonic() + RETRY_SECONDS
        if store is not None and store is self._store:
            await self.close()


class RedisWindows:
    """Fixed windows in one Redis, which knows their ends: the clocks of the nodes need not agree."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._clock = clock
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_MAX_CONNECTIONS,
            timeout=_ANSWER_SECONDS,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            # Its own retries would wait for seconds, and count twice.
            retry=Retry(NoBackoff(), 0),
        )
        self._redis = Redis(connection_pool=self._pool)
        # A pool is what the library takes here, whatever its signature says.
        options: dict[str, Any] = {"connection_pool": self._pool}
        self._windows = RedisStorage(
            "async+redis://", implementation="redispy", key_prefix=_KEY_PREFIX, **options
        )
        self._ends: dict[str, float] = {}

    async def count(self, rate: RateLimitItem, key: str) -> Standing:
        count = await self._windows.incr(key, rate.get_expiry())
        seconds = await self._seconds_left(rate, key, count)
        return Standing(rate.amount, max(0, rate.amount - count), whole_seconds(seconds), count > rate.amount)

    async def _seconds_left(self, rate: RateLimitItem, key: str, count: int) -> float:
        now = self._clock.monotonic()
        end = now + rate.get_expiry() if count == 1 else self._ends.get(key, now)
        if end <= now:
            # Another node has begun this window: its end is asked for once.
            left = await self._redis.pttl(f"{_KEY_PREFIX}:{key}")
            end = now + max(0, left) / 1000
        self._remember(key, end)
        return end - now

    def _remember(self, key: str, end: float) -> None:
        self._ends.pop(key, None)
        self._ends[key] = end
        if len(self._ends) > _MAX_KNOWN_ENDS:
            del self._ends[next(iter(self._ends))]

    async def close(self) -> None:
        await self._pool.disconnect()
