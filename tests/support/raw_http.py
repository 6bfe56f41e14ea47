"""Bytes to a server and what it answers, for requests that no client library would send."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

DEADLINE_SECONDS = 15.0


@dataclass(frozen=True)
class RawAnswer:
    """One answer; `closed` tells whether the server closed the connection behind it."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def connection(url: str, *, receive_buffer: int | None = None) -> Iterator[socket.socket]:
    parts = urlsplit(url)
    with socket.socket() as sock:
        sock.settimeout(DEADLINE_SECONDS)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.connect((parts.hostname or "", parts.port or 80))
        yield sock


def read_answer(sock: socket.socket, method: str = "GET") -> RawAnswer:
    """Read one answer; raises `http.client.BadStatusLine` or ConnectionError where there is none."""
    response = HTTPResponse(sock, method=method)
    try:
        response.begin()
        return RawAnswer(response.status, response.headers, response.read())
    finally:
        response.close()


def exchange(url: str, data: bytes, method: str = "GET") -> RawAnswer:
    """Send bytes on a connection of their own and read one answer."""
    with connection(url) as sock:
        sock.sendall(data)
        return read_answer(sock, method)


def head(method: str, path: str, url: str, *lines: str) -> bytes:
    """Write the head of a request with the server's own Host."""
    return "\r\n".join(
        [f"{method} {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", *lines, "", ""]
    ).encode()
