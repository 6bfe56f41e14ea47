"""Coalescing streamed text, so that a token is not an event."""

import asyncio
from collections.abc import Callable

_COALESCE_SECONDS = 0.05
#: Short enough that no event has to be cut: text that is lost cannot be read again from elsewhere.
_MAX_CHARACTERS = 2000


class DeltaCoalescer:
    """Gathers text for about 50 ms and hands it on in order; `flush` hands on what is left."""

    def __init__(self, emit: Callable[[str], None]) -> None:
        self._emit = emit
        self._gathered: list[str] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, text: str) -> None:
        if not text:
            return
        self._gathered.append(text)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_COALESCE_SECONDS, self.flush)

    def flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        text = "".join(self._gathered)
        self._gathered.clear()
        for start in range(0, len(text), _MAX_CHARACTERS):
            self._emit(text[start : start + _MAX_CHARACTERS])
