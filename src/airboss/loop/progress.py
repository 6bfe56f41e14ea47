"""What a tool says of its progress, at a pace that the event stream can take."""

from collections.abc import Callable

_PAUSE_SECONDS = 0.1
_MAX_CHARACTERS = 500

#: Tells of a message and a fraction.
Tell = Callable[[str, float | None], None]


class Progress:
    """Passes on the newest word every 100 ms at most; `close` passes on the last one, then nothing more."""

    def __init__(self, tell: Tell, monotonic: Callable[[], float]) -> None:
        self._tell = tell
        self._monotonic = monotonic
        self._told_at: float | None = None
        self._held: tuple[str, float | None] | None = None
        self._is_open = True

    def __call__(self, message: str, fraction: float | None) -> None:
        if not self._is_open:
            return
        self._held = (message[:_MAX_CHARACTERS], _within(fraction))
        now = self._monotonic()
        if self._told_at is None or now - self._told_at >= _PAUSE_SECONDS:
            self._told_at = now
            self._pass_on()

    def close(self) -> None:
        self._pass_on()
        self._is_open = False

    def _pass_on(self) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._tell(*held)


def _within(fraction: float | None) -> float | None:
    """Keep a fraction between 0 and 1; what is no number (NaN) is not known."""
    if fraction is None or fraction != fraction:  # noqa: PLR0124 - NaN is what differs from itself
        return None
    return min(1.0, max(0.0, fraction))
