"""How many calls run at once, and how many start in a minute: first come, first served."""

import asyncio
import math
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from airboss.domain.provider_policies import CallLimitPolicy
from airboss.ports.clock import Clock

_MINUTE_SECONDS = 60
# Shorter waits come from the last bits of sums, and no clock could keep them.
_TICK_SECONDS = 1e-6


class CallLimiter:
    """Gives out slots in the order in which they were asked for.

    Whoever is first waits for a place and for the rate, and only then takes both at once: a cancelled waiter
    has nothing that could be lost but its turn, which it passes on.
    """

    def __init__(self, policy: CallLimitPolicy, clock: Clock) -> None:
        self._max_in_flight = policy.max_concurrent_calls
        self._clock = clock
        per_minute = policy.requests_per_minute
        self._pace = None if per_minute is None else _Pace(per_minute)
        self._in_flight = 0
        self._someone_is_first = False
        self._queue: OrderedDict[asyncio.Future[None], None] = OrderedDict()
        self._place_freed: asyncio.Future[None] | None = None

    @property
    def in_flight(self) -> int:
        return self._in_flight

    @property
    def waiting(self) -> int:
        return self._someone_is_first + len(self._queue)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot for the length of the block, once there is one."""
        await self._enter()
        try:
            yield
        finally:
            self._leave()

    async def _enter(self) -> None:
        await self._until_first()
        try:
            await self._until_place()
            await self._until_pace()
            # Nothing is awaited from here on: a slot that is taken is a slot that is held.
            self._in_flight += 1
            if self._pace is not None:
                self._pace.start(self._clock.monotonic())
        finally:
            self._let_next_be_first()

    def _leave(self) -> None:
        self._in_flight -= 1
        if self._place_freed is not None and not self._place_freed.done():
            self._place_freed.set_result(None)

    async def _until_first(self) -> None:
        if not self._someone_is_first:
            self._someone_is_first = True
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue[turn] = None
        try:
            await turn
        except BaseException:
            # The turn may have come in the same moment as the cancellation: then it is passed on.
            if turn.done() and not turn.cancelled():
                self._let_next_be_first()
            else:
                self._queue.pop(turn, None)
            raise

    def _let_next_be_first(self) -> None:
        while self._queue:
            turn, _ = self._queue.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
                return
        self._someone_is_first = False

    async def _until_place(self) -> None:
        while self._in_flight >= self._max_in_flight:
            self._place_freed = asyncio.get_running_loop().create_future()
            await self._place_freed

    async def _until_pace(self) -> None:
        if self._pace is None:
            return
        # Once is enough: only the first starts calls, and a sleep short by a tick moves nothing that is due.
        if (seconds := self._pace.seconds_until_next(self._clock.monotonic())) > _TICK_SECONDS:
            await self._clock.sleep(seconds)


class _Pace:
    """A token bucket of one second's worth of calls, as the generic cell rate algorithm (ITU-T I.371).

    It is filled a little slower than at `per_minute`, by as many calls as it holds beyond the first: so no
    60 seconds hold more than `per_minute` starts, the burst included. That is at most 1.7 % of the rate, and
    nothing below 120 a minute.
    """

    def __init__(self, per_minute: int) -> None:
        burst = max(1, per_minute // _MINUTE_SECONDS)
        self._spacing_seconds = _MINUTE_SECONDS / (per_minute - burst + 1)
        self._early_seconds = (burst - 1) * self._spacing_seconds
        self._due = -math.inf

    def seconds_until_next(self, now: float) -> float:
        return self._due - self._early_seconds - now

    def start(self, now: float) -> None:
        self._due = max(self._due, now) + self._spacing_seconds
