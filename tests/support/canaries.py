"""Secrets that are planted to be looked for, and the places that were searched for them."""

import base64
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Canaries:
    """Values that stand nowhere else; `job_data` may be where the job is shown, the others nowhere."""

    def __init__(self) -> None:
        self.secret: dict[str, str] = {}
        self.job_data: dict[str, str] = {}

    def plant(self, name: str) -> str:
        return self.secret.setdefault(name, f"canary-{name}-{secrets.token_hex(12)}")

    def plant_job_data(self, name: str) -> str:
        return self.job_data.setdefault(name, f"data-{name}-{secrets.token_hex(12)}")

    def add(self, name: str, value: str) -> str:
        """Take a value that was made elsewhere, such as a token."""
        self.secret[name] = value
        return value


@dataclass
class Search:
    """Looks for canaries, as they are and in base64, and counts where it looked."""

    canaries: Canaries
    places: dict[str, int] = field(default_factory=dict)
    leaks: list[str] = field(default_factory=list)

    def look(self, place: str, content: str | bytes, *, job_data: bool = False) -> None:
        """Search a place; `job_data` where it may hold what jobs are about."""
        raw = content.encode(errors="replace") if isinstance(content, str) else content
        self.places[place] = self.places.get(place, 0) + len(raw)
        wanted = self.canaries.secret if job_data else self.canaries.secret | self.canaries.job_data
        self.leaks += [f"{name} in {place}" for name in found(wanted, raw)]


def found(wanted: dict[str, str], raw: bytes) -> list[str]:
    return [name for name, value in wanted.items() if any(form in raw for form in forms(value))]


def forms(value: str) -> list[bytes]:
    """Return the value and what base64 makes of it, wherever in a text it begins."""
    raw = value.encode()
    encoded = [base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 : -4] for shift in range(3)]
    return [raw, *encoded]


class EchoServer:
    """Tells every caller its own headers, in every way that an error can be told."""

    def __init__(self) -> None:
        self.seen: list[dict[str, str]] = []
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, str, str]:
        self.seen.append(headers)
        told = " ".join(f"{name}: {value}" for name, value in headers.items())
        kind = path.strip("/").partition("/")[0]
        if kind == "html":
            return 200, "text/html", f"<html>{told}</html>"
        if kind == "stream":
            quoted = told.replace('"', "'")
            return 200, "text/event-stream", f'data: {{"error": {{"message": "{quoted}", "code": 500}}}}\n\n'
        status = int(kind) if kind.isdecimal() else 401
        quoted = told.replace("\\", "").replace('"', "'")
        return status, "application/json", f'{{"error": {{"message": "{quoted}", "type": "echo"}}}}'


@contextmanager
def echo_server() -> Iterator[EchoServer]:
    echo = EchoServer()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            status, media_type, text = echo.answer(self.path, dict(self.headers))
            try:
                self.send_response(status, "Echo")
                self.send_header("content-type", media_type)
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())
            except ConnectionError:
                pass  # whoever asked had seen enough

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server asks for

        def log_message(self, *args: Any) -> None:
            pass

    server = echo._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="echo server")
    thread.start()
    try:
        yield echo
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
