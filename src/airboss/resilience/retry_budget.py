"""How many retries a provider may be sent: a dying one must not meet a multiple of its load."""

from collections import deque

from airboss.domain.provider_policies import RetryPolicy
from airboss.ports.clock import Clock

WINDOW_SECONDS = 10.0
# 0.29 * 100 is a little less than 29: a retry that was earned is not lost to the last bit.
_ROUNDING = 1e-9


class RetryBudget:
    """In no 10 seconds more retries than the calls of these 10 seconds times the ratio, plus the floor.

    A call earns for 10 seconds only, however long it takes itself: when all time out, the floor is what
    remains, and that is meant.
    """

    def __init__(self, policy: RetryPolicy, clock: Clock) -> None:
        self._ratio = policy.budget_ratio
        self._floor = policy.budget_floor_per_10_seconds
        self._clock = clock
        self._calls: deque[float] = deque()
        self._retries: deque[float] = deque()

    def record_call(self) -> None:
        """Count one logical call, when it starts."""
        self._calls.append(self._now())

    def try_spend(self) -> bool:
        """Count one retry and return True, or return False when there is none left."""
        now = self._now()
        if len(self._retries) + 1 > self._ratio * len(self._calls) + self._floor + _ROUNDING:
            return False
        self._retries.append(now)
        return True

    def _now(self) -> float:
        """Return the time, and forget what is 10 seconds old."""
        now = self._clock.monotonic()
        for moments in (self._calls, self._retries):
            while moments and moments[0] <= now - WINDOW_SECONDS:
                moments.popleft()
        return now
