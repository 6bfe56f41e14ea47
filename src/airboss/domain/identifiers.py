"""UUIDv7 job ids (RFC 9562): sortable by creation, with the moment inside."""

import re
from collections.abc import Callable

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")
_RANDOM_BITS = 62
_COUNTER_BITS = 12
_MAX_COUNTER = (1 << _COUNTER_BITS) - 1
#: A clock set back further than this is believed: ids restart there instead of running ahead of it.
_BELIEVED_STEP_BACK_MS = 10_000


def is_job_id(text: str) -> bool:
    """Tell whether the text has the canonical form of a job id."""
    return _CANONICAL.match(text) is not None


def uuid7(unix_ms: int, counter: int, random_bits: int) -> str:
    """Compose a UUIDv7 from milliseconds, a 12 bit counter and 62 random bits."""
    value = (
        (unix_ms & 0xFFFF_FFFF_FFFF) << 80
        | 0x7 << 76
        | (counter & _MAX_COUNTER) << 64
        | 0b10 << 62
        | random_bits & ((1 << _RANDOM_BITS) - 1)
    )
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def lowest_id_at(unix_ms: int) -> str:
    """Return the smallest id a job created at this moment can have."""
    return uuid7(max(0, unix_ms), 0, 0)


class JobIds:
    """Makes ids that grow strictly within one process (RFC 9562, 6.2 method 1)."""

    def __init__(self, now_ms: Callable[[], int], random_bits: Callable[[int], int]) -> None:
        self._now_ms = now_ms
        self._random_bits = random_bits
        self._last_ms = 0
        self._counter = 0

    def make(self) -> tuple[str, int]:
        """Return a new id and the moment it carries, in milliseconds."""
        now_ms = self._now_ms()
        if now_ms > self._last_ms or now_ms < self._last_ms - _BELIEVED_STEP_BACK_MS:
            self._last_ms, self._counter = now_ms, self._random_bits(8)
        elif self._counter < _MAX_COUNTER:
            self._counter += 1
        else:
            self._last_ms, self._counter = self._last_ms + 1, 0
        return uuid7(self._last_ms, self._counter, self._random_bits(_RANDOM_BITS)), self._last_ms
