"""Time, injected."""

from typing import Protocol


class Clock(Protocol):
    """A wall clock for moments and a monotonic one for durations."""

    def now_ms(self) -> int:
        """Return the wall clock in whole milliseconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        ...

    async def sleep(self, seconds: float) -> None: ...
