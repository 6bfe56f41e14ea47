"""Waiting for a state that nothing signals."""

import threading
import time
from collections.abc import Callable

_DEADLINE_SECONDS = 15.0
_INTERVAL_SECONDS = 0.02


def until(condition: Callable[[], bool], what: str, seconds: float = _DEADLINE_SECONDS) -> None:
    """Ask again and again; only for what sends no signal, such as the descriptors of another process."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        pause.wait(_INTERVAL_SECONDS)
