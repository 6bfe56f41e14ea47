"""How fast jobs leave the queue, and so when it is worth coming back."""

import math
from collections import deque

from airboss.ports.clock import Clock

_WINDOW_SECONDS = 60.0
_MAX_KEPT = 1024
MIN_RETRY_AFTER_SECONDS, MAX_RETRY_AFTER_SECONDS = 1, 300


class DepartureRate:
    """Measures departures over the last minute."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = clock.monotonic()
        self._departures: deque[float] = deque(maxlen=_MAX_KEPT)

    def record(self) -> None:
        self._last = self._clock.monotonic()
        self._departures.append(self._last)

    def retry_after_seconds(self) -> int:
        """Return when a place should come free: 1 to 300 whole seconds.

        The mean of the last minute, but no less than how long nothing has left: as long again is the best
        guess then. The first jobs of a server leave at once, to workers that are free, and promise nothing.
        """
        now = self._clock.monotonic()
        while self._departures and self._departures[0] < now - _WINDOW_SECONDS:
            self._departures.popleft()
        silent = now - self._last
        departures = len(self._departures)
        expected = max(silent, (now - self._departures[0]) / departures) if departures else silent
        return min(MAX_RETRY_AFTER_SECONDS, max(MIN_RETRY_AFTER_SECONDS, math.ceil(expected)))
