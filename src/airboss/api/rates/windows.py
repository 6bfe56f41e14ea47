"""A storage for `limits` in this process's memory: bounded, on the injected clock, without a thread.

The library's own keeps every caller until a thread has scanned all of them, and starts that thread up to a
hundred times a second: a scan of 50,000 callers took 20 ms, in which nothing else ran.
"""

from typing import Any

from limits.storage import Storage

from airboss.ports.clock import Clock

SCHEME = "airboss"


class BoundedWindows(Storage):
    """Fixed windows that begin with a caller's first request; times are the clock's monotonic seconds."""

    STORAGE_SCHEME = [SCHEME]  # noqa: RUF012 - the library's registry reads it from the class

    def __init__(self, uri: str | None = None, *, clock: Clock, max_windows: int, **options: Any) -> None:
        super().__init__(uri, **options)
        self._clock = clock
        self._max_windows = max_windows
        #: Count and end, in the order in which the windows began.
        self._windows: dict[str, tuple[int, float]] = {}
        #: Count and end of the window that was counted in last.
        self.latest = (0, 0.0)

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        now = self._clock.monotonic()
        count, end = self._windows.get(key, (0, 0.0))
        if end <= now:
            self._windows.pop(key, None)
            self._make_room(now)
            count, end = 0, now + expiry
        self._windows[key] = self.latest = count + amount, end
        return count + amount

    def get(self, key: str) -> int:
        count, end = self._windows.get(key, (0, 0.0))
        return count if end > self._clock.monotonic() else 0

    def get_expiry(self, key: str) -> float:
        now = self._clock.monotonic()
        return max(now, self._windows.get(key, (0, now))[1])

    def check(self) -> bool:
        return True

    def reset(self) -> int | None:
        held = len(self._windows)
        self._windows.clear()
        return held

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def _make_room(self, now: float) -> None:
        """Drop the windows that began first, where they are over or there are too many.

        Whoever comes as that many callers has as many limits anyway: forgetting the oldest gives nobody more.
        """
        while self._windows:
            oldest = next(iter(self._windows))
            if self._windows[oldest][1] > now and len(self._windows) < self._max_windows:
                return
            del self._windows[oldest]
