"""A sorted queue: first out, insert anywhere, remove anywhere, and the index of each."""

from bisect import bisect_left

from airboss.ports.engine import QueueEntry

_COMPACT_AT = 256


class OrderedEntries:
    """Entries in order. A sorted list beats a heap here: it also answers `index` in O(log n)."""

    def __init__(self) -> None:
        self._entries: list[QueueEntry] = []
        self._head = 0

    def __len__(self) -> int:
        return len(self._entries) - self._head

    def add(self, entry: QueueEntry) -> bool:
        at = bisect_left(self._entries, entry, lo=self._head)
        if at < len(self._entries) and self._entries[at] == entry:
            return False
        self._entries.insert(at, entry)
        return True

    def pop_first(self) -> QueueEntry:
        entry = self._entries[self._head]
        self._head += 1
        # Moving the head is free; the dead part is cut off once it is the greater one.
        if self._head >= _COMPACT_AT and self._head * 2 >= len(self._entries):
            del self._entries[: self._head]
            self._head = 0
        return entry

    def discard(self, entry: QueueEntry) -> bool:
        index = self.index(entry)
        if index is None:
            return False
        del self._entries[self._head + index]
        return True

    def index(self, entry: QueueEntry) -> int | None:
        at = bisect_left(self._entries, entry, lo=self._head)
        if at < len(self._entries) and self._entries[at] == entry:
            return at - self._head
        return None
