"""Progress of one call, at a bounded rate."""

import math

from airboss.ports.clock import Clock
from airboss.ports.mcp import OnProgress

_MESSAGE_CHARACTERS = 500


class Progress:
    """Hands on at most so many notices a second; what comes between is left out."""

    def __init__(self, on_progress: OnProgress, per_second: int, clock: Clock) -> None:
        self._on_progress = on_progress
        self._interval_seconds = 1 / per_second
        self._clock = clock
        self._next_at = -math.inf

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        now = self._clock.monotonic()
        fraction = _fraction(progress, total)
        if now < self._next_at:
            return
        self._next_at = now + self._interval_seconds
        self._on_progress((message or "")[:_MESSAGE_CHARACTERS], fraction)


def _fraction(progress: float, total: float | None) -> float | None:
    if total is None or not math.isfinite(total) or not math.isfinite(progress) or total <= 0:
        return None
    return min(1.0, max(0.0, progress / total))
