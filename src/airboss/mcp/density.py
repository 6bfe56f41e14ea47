"""How much work a message is to read, told from its bytes.

Four megabytes of text or of a picture are read in milliseconds; as many of small objects hold the event loop for
a second. A structure needs its bracket, however it is spaced, so that brackets are what is counted.
"""

#: Of a message this small even the densest is read quickly.
_FREE_BYTES = 256 * 1024
MAX_BRACKETS = 20_000


class Density:
    """Counts the bytes and brackets of one message as they come."""

    def __init__(self) -> None:
        self._bytes = 0
        self._brackets = 0

    def is_too_much(self, chunk: bytes) -> bool:
        """Add a chunk; brackets inside of strings count, since to tell them apart is to read it."""
        self._bytes += len(chunk)
        self._brackets += chunk.count(b"{") + chunk.count(b"[")
        return self._bytes > _FREE_BYTES and self._brackets > MAX_BRACKETS

    def begin_again(self) -> None:
        self._bytes = 0
        self._brackets = 0
