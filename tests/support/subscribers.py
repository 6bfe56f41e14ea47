"""Many readers of one event stream on one thread: cheap enough to read what a server can write."""

import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from urllib.parse import urlsplit

from tests.support.raw_http import head

DEADLINE_SECONDS = 60.0
_FIRST = b"retry: 3000\n\n"
#: A frame ends with an empty line; chunked framing has none of its own between `\n`.
_FRAME_END = b"\n\n"
_READ_BYTES = 1 << 18


class Subscribers:
    """Open streams of `path`; counts the frames that reach each, heartbeats left out."""

    def __init__(
        self, url: str, path: str = "/v1/events", headers: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.address = address_of(url)
        lines = [f"{name}: {value}" for name, value in headers.items()]
        self._request = head("GET", path, url, "Accept: text/event-stream", *lines)
        self._poll = select.epoll()
        self._sockets: dict[int, socket.socket] = {}
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._each: Counter[int] = Counter()
        self.frames = 0
        #: When each frame came, by `time.monotonic`; only kept on request.
        self.arrivals: list[float] | None = None

    def __len__(self) -> int:
        return len(self._sockets)

    def open(self, count: int) -> None:
        """Open so many more; each has its first bytes when this returns."""
        opened = []
        for _ in range(count):
            sock = socket.create_connection(self.address, timeout=DEADLINE_SECONDS)
            sock.sendall(self._request)
            opened.append(sock)
        for sock in opened:
            received = b""
            while _FIRST not in received:
                data = sock.recv(4096)
                assert data, received
                received += data
            assert received.startswith(b"HTTP/1.1 200 "), received
            self.frames += _frames(received) - 1
            sock.setblocking(False)
            self._sockets[sock.fileno()] = sock
            self._each[sock.fileno()] = _frames(received) - 1
            self._poll.register(sock.fileno(), select.EPOLLIN)

    def read(self, timeout_seconds: float = 0.0) -> None:
        """Read once what is there, waiting for something at most so long."""
        for descriptor, _ in self._poll.poll(timeout_seconds):
            data = self._sockets[descriptor].recv(_READ_BYTES)
            assert data, "the server ended a stream"
            came = _frames(data)
            self.frames += came
            self._each[descriptor] += came
            if self.arrivals is not None:
                self.arrivals += [time.monotonic()] * came

    def start(self) -> None:
        """Read in a thread of their own until `stop`, while the caller does something else."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="subscribers")
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stopping.is_set():
            self.read(0.05)

    def until(self, frames: int) -> None:
        """Read until all of them together have got so many frames."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while self.frames < frames:
            assert time.monotonic() < deadline, f"{self.frames} of {frames} frames came in time"
            if self._thread is None:
                self.read(0.05)
            else:
                self._stopping.wait(0.01)

    @property
    def least(self) -> int:
        """How many frames the reader has that got the fewest."""
        return min(self._each.values())

    def close(self) -> None:
        self.stop()
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()
        self._poll.close()


def address_of(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80


def _frames(data: bytes) -> int:
    return data.count(_FRAME_END) - data.count(b": heartbeat" + _FRAME_END)


@contextmanager
def subscribers(
    url: str, count: int, path: str = "/v1/events", headers: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Subscribers]:
    opened = Subscribers(url, path, headers)
    try:
        opened.open(count)
        yield opened
    finally:
        opened.close()
