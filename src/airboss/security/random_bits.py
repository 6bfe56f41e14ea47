"""Random bits, drawn from the system many at a time."""

import os
from collections.abc import Callable

_POOL_BYTES = 4096


class RandomBits:
    """Hands out what `secrets.randbits` would, without a system call for each.

    That call lets go of the interpreter's lock: on the event loop, with the store's thread busy, it took 38 µs
    to get it back. For one thread.
    """

    def __init__(self, read: Callable[[int], bytes] = os.urandom) -> None:
        self._read = read
        self._pool = b""
        self._used = 0

    def __call__(self, bits: int) -> int:
        """Return an integer of so many random bits, each of them given once."""
        size = (bits + 7) // 8
        if self._used + size > len(self._pool):
            self._pool, self._used = self._read(max(_POOL_BYTES, size)), 0
        taken = self._pool[self._used : self._used + size]
        self._used += size
        return int.from_bytes(taken) >> (size * 8 - bits)
