"""Load from a process of its own, so that the server's event loop and its client's do not share a core's turn.

Reads one plan as JSON on standard input and writes its report to the file it is given.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httptools
import uvloop

DEADLINE_SECONDS = 30.0
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Plan:
    """Requests to `path`, over so many connections, for so long or so many times.

    `rate` is requests a second over all connections (an open loop: each is sent when it is due, as long as
    a connection is free); without it every connection sends its next request behind the last answer.
    """

    url: str
    body: Mapping[str, Any] | None
    path: str = "/v1/jobs"
    method: str = "POST"
    connections: int = 32
    seconds: float | None = None
    requests: int | None = None
    rate: float | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    keep: tuple[str, ...] = ()


@dataclass
class Load:
    """What was answered: status, seconds from due to answered, `Retry-After`, and the kept fields."""

    statuses: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    retry_after: list[str | None] = field(default_factory=list)
    kept: list[dict[str, Any]] = field(default_factory=list)
    elapsed_seconds: float = 0.0
    #: By `time.monotonic`, which all processes of a machine share.
    began_at: float = 0.0

    @property
    def accepted(self) -> list[dict[str, Any]]:
        return [kept for status, kept in zip(self.statuses, self.kept, strict=True) if status == 202]

    def seconds_of(self, *statuses: int) -> list[float]:
        """Return how long the answers with these statuses took."""
        return [took for took, status in zip(self.seconds, self.statuses, strict=True) if status in statuses]


def generate(plan: Plan, *, timeout_seconds: float = 120.0) -> Load:
    """Run a plan in a process of its own and return what it met."""
    return start(plan).result(timeout_seconds)


@dataclass(frozen=True)
class Generating:
    """A plan that runs."""

    process: subprocess.Popen[str]
    report: Path

    def result(self, timeout_seconds: float = 120.0) -> Load:
        try:
            assert self.process.wait(timeout=timeout_seconds) == 0, "the load generator failed"
            return Load(**json.loads(self.report.read_text()))
        finally:
            self.process.kill()
            self.process.wait()
            self.report.unlink()


def start(plan: Plan) -> Generating:
    descriptor, report = tempfile.mkstemp(suffix=".json", prefix="load-")
    os.close(descriptor)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.load_generator", report],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(plan)))
    process.stdin.close()
    return Generating(process, Path(report))


class Connection(asyncio.Protocol):
    """One kept-alive connection; answers one request at a time."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._parser = httptools.HttpResponseParser(self)
        self._answered: asyncio.Future[None] | None = None
        self.retry_after: str | None = None
        self.body = b""

    @classmethod
    async def open(cls, host: str, port: int) -> "Connection":
        _, connection = await asyncio.get_running_loop().create_connection(cls, host, port)
        return connection

    @property
    def status(self) -> int:
        return int(self._parser.get_status_code())

    async def request(self, data: bytes) -> int:
        """Send a request and return the status of its answer."""
        self.body, self.retry_after = b"", None
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        await asyncio.wait_for(self._answered, DEADLINE_SECONDS)
        return self.status

    def close(self) -> None:
        self._transport.close()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError("closed before the answer"))

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"retry-after":
            self.retry_after = value.decode()

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        assert self._answered is not None
        if not self._answered.done():
            self._answered.set_result(None)


def request_bytes(plan: Plan) -> bytes:
    content = b"" if plan.body is None else json.dumps(plan.body).encode()
    lines = [f"{plan.method} {plan.path} HTTP/1.1", f"Host: {urlsplit(plan.url).netloc}", "Accept: */*"]
    lines += [f"{name}: {value}" for name, value in plan.headers.items()]
    if content:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def carry_out(plan: Plan) -> Load:
    """Carry a plan out in this process."""
    parts = urlsplit(plan.url)
    host, port = parts.hostname or "", parts.port or 80
    data = request_bytes(plan)
    connections = [await Connection.open(host, port) for _ in range(plan.connections)]
    load = Load(began_at=time.monotonic())
    began = time.perf_counter()
    dues = _dues(plan, began)
    await asyncio.gather(*(_send(connection, data, dues, plan, load) for connection in connections))
    load.elapsed_seconds = time.perf_counter() - began
    for connection in connections:
        connection.close()
    return load


def _dues(plan: Plan, began: float) -> Iterator[float]:
    """Give the moment each request is due, shared by all connections, until the plan is carried out."""
    number = 0
    while plan.requests is None or number < plan.requests:
        due = time.perf_counter() if plan.rate is None else began + number / plan.rate
        if plan.seconds is not None and due >= began + plan.seconds:
            return
        yield due
        number += 1


async def _send(connection: Connection, data: bytes, dues: Iterator[float], plan: Plan, load: Load) -> None:
    for due in dues:
        if (early := due - time.perf_counter()) > 0:
            await asyncio.sleep(early)
        # Behind its moment because no connection was free: the client's lateness is not the server's.
        began = time.perf_counter()
        status = await connection.request(data)
        load.seconds.append(time.perf_counter() - began)
        load.statuses.append(status)
        load.retry_after.append(connection.retry_after)
        document = json.loads(connection.body) if plan.keep else {}
        load.kept.append({name: document.get(name) for name in plan.keep})


def main() -> None:
    plan = Plan(**json.loads(sys.stdin.read()))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        load = runner.run(carry_out(plan))
    Path(sys.argv[1]).write_text(json.dumps(asdict(load)))


if __name__ == "__main__":
    main()
