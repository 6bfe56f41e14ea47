"""Lines out of chunks of bytes, none of them longer than a limit."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_EDGE_BYTES = 512
#: Where a JSON-RPC message has its id: first or last, as libraries write it.
_FIRST_ID = re.compile(rb'\A\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?"id"\s*:\s*(\d{1,18})\s*[,}]')
_LAST_ID = re.compile(rb'"id"\s*:\s*(\d{1,18})\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*\Z')


@dataclass(frozen=True, slots=True)
class LongLine:
    """A line that was dropped for its length: its edges and size."""

    head: bytes
    tail: bytes
    size_bytes: int


class LineSplitter:
    """Holds at most `max_bytes` of an unfinished line."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held = bytearray()
        self._long: LongLine | None = None

    def feed(self, chunk: bytes) -> Iterator[bytes | LongLine]:
        """Yield the lines that a chunk completes, without their ends."""
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            self._add(piece)
            yield self._take()
        self._add(rest)

    def _take(self) -> bytes | LongLine:
        long, self._long = self._long, None
        line = bytes(self._held)
        self._held.clear()
        return line if long is None else long

    def _add(self, piece: bytes) -> None:
        if self._long is None and len(self._held) + len(piece) <= self._max_bytes:
            self._held += piece
            return
        long = self._long or LongLine(b"", b"", 0)
        head = long.head or bytes((self._held + piece)[:_EDGE_BYTES])
        tail = (long.tail + self._held[-_EDGE_BYTES:] + piece[-_EDGE_BYTES:])[-_EDGE_BYTES:]
        self._long = LongLine(head, tail, long.size_bytes + len(self._held) + len(piece))
        self._held.clear()


def answered_id(head: bytes, tail: bytes) -> int | None:
    """Return the id of the request that an unreadable message answers, where its edges show one."""
    found = _FIRST_ID.search(head) or _LAST_ID.search(tail)
    return int(found[1]) if found else None
