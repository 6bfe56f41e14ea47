"""Event streams: deliveries, memory, slow readers, many idle readers.

`python -m benchmarks.streams [--rounds 5] [--only deliveries|idle|slow]`
"""

import argparse
import resource
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.report import Report, median, milliseconds, percentile, spread
from benchmarks.servers import QUICK, Measured, serving
from tests.support.load_generator import Plan, generate
from tests.support.raw_http import head, read_answer
from tests.support.subscribers import Subscribers, address_of, subscribers

SETTINGS: dict[str, Any] = {
    "agents": {"quick": QUICK, "idle": QUICK},
    "limits": {"queue_capacity": 100_000},
    "server": {"max_subscribers_per_caller": 20_000, "max_connections": 20_000},
    "telemetry": {"log_format": "json"},
}
#: What an event of `Publisher` takes on the wire at Airboss; the reference writes frames of that size.
FRAME_BYTES = 300
_KEPT_DESCRIPTORS = 500


class Publisher:
    """Makes events over a connection of its own; readers can read before its request is answered."""

    def __init__(self, server: Measured) -> None:
        self._server = server
        self._paused = False
        self._sock = socket.create_connection(address_of(server.url), timeout=60)

    def one(self) -> None:
        """Make one event: by pausing or resuming an agent, or by the reference's own route."""
        if self._server.name == "airboss":
            self._paused = not self._paused
            path = f"/v1/coord/queues/quick/{'pause' if self._paused else 'resume'}"
        else:
            path = f"/publish?events=1&bytes={FRAME_BYTES}"
        lines = ["Content-Length: 0", *self._server.header_lines]
        self._sock.sendall(head("POST", path, self._server.url, *lines))

    def answered(self) -> None:
        answer = read_answer(self._sock, "POST")
        assert answer.status == 200, answer

    def close(self) -> None:
        self._sock.close()


def deliver(publisher: Publisher, readers: Subscribers, events: int) -> float:
    """Return deliveries a second: each event is made when all readers have the one before."""
    began, goal = time.monotonic(), readers.frames
    for _ in range(events):
        publisher.one()
        goal += len(readers)
        readers.until(goal)
        publisher.answered()
    return events * len(readers) / (time.monotonic() - began)


def deliveries(report: Report, folder: Path, rounds: int, *, count: int = 1000, events: int = 40) -> None:
    rates: dict[str, list[float]] = {"airboss": [], "streams": []}
    cpu: dict[str, list[float]] = {"airboss": [], "streams": []}
    with ExitStack() as stack:
        pairs = []
        for name in rates:
            server = stack.enter_context(serving(name, folder / name, SETTINGS))
            readers = stack.enter_context(subscribers(server.url, count, headers=server.headers))
            pairs.append((server, stack.enter_context(closing(Publisher(server))), readers))
        for number in range(rounds):
            for server, publisher, readers in pairs if number % 2 else reversed(pairs):
                before = server.cpu_seconds
                rates[server.name].append(deliver(publisher, readers, events))
                cpu[server.name].append((server.cpu_seconds - before) / (events * count) * 1e6)
    ratios = [ours / theirs for ours, theirs in zip(rates["airboss"], rates["streams"], strict=True)]
    ours, theirs = median(rates["airboss"]), median(rates["streams"])
    report.add(f"deliveries/s, {count} subscribers", f"{ours:.0f} against {theirs:.0f}")
    report.add("deliveries/s, ratio", spread(ratios), "≥ 1.5", kept=median(ratios) >= 1.5)
    report.add(
        "CPU for a delivery", f"{median(cpu['airboss']):.1f} µs against {median(cpu['streams']):.1f} µs"
    )


def idle(
    report: Report, folder: Path, rounds: int, *, wanted: int = 10_000, heartbeat_seconds: float = 5
) -> None:
    """Memory of idle readers, and how quickly the server answers beside them, heartbeats included."""
    count = min(wanted, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - _KEPT_DESCRIPTORS)
    settings = SETTINGS | {"events": {"heartbeat_seconds": heartbeat_seconds}}
    with ExitStack() as stack:
        server = stack.enter_context(serving("airboss", folder / "idle", settings))
        client = stack.enter_context(server.client())
        client.get("/health/ready").raise_for_status()
        readers = stack.enter_context(subscribers(server.url, 200, headers=server.headers))
        before = server.resident_bytes
        while len(readers) < count:
            readers.open(min(200, count - len(readers)))
            readers.read()
        each = (server.resident_bytes - before) / (count - 200)
        report.add(
            f"memory of one of {count} idle subscribers",
            f"{each / 1024:.1f} KB",
            "≤ 32 KB",
            kept=each <= 32 * 1024,
        )
        seconds = _ready_seconds(client.get, readers, 2.5 * heartbeat_seconds)
        p99 = percentile(seconds, 0.99)
        report.add(
            f"ready beside them, p99 of {len(seconds)} (greatest {milliseconds(max(seconds))})",
            milliseconds(p99),
            "≤ 100 ms",
            kept=p99 <= 0.1,
        )
        used, began = server.cpu_seconds, time.monotonic()
        _read_for(readers, 2 * heartbeat_seconds)
        share = (server.cpu_seconds - used) / (time.monotonic() - began)
        report.add(f"CPU beside them, a heartbeat each {heartbeat_seconds:g} s", f"{share:.1%}")


def _ready_seconds(get: Callable[[str], Any], readers: Subscribers, for_seconds: float) -> list[float]:
    seconds = []
    end = time.monotonic() + for_seconds
    while time.monotonic() < end:
        began = time.monotonic()
        assert get("/health/ready").status_code == 200
        seconds.append(time.monotonic() - began)
        _read_for(readers, 0.02)
    return seconds


def _read_for(readers: Subscribers, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        readers.read(left)


def slow(report: Report, folder: Path, rounds: int, *, count: int = 50, events: int = 200) -> None:
    """One reader that takes nothing: what it costs the server and the others."""
    alone: list[list[float]] = []
    replaying: list[list[float]] = []
    beside: list[list[float]] = []
    grown = []
    with ExitStack() as stack:
        server = stack.enter_context(serving("airboss", folder / "slow", SETTINGS))
        _fill(server)
        readers = stack.enter_context(subscribers(server.url, count, headers=server.headers))
        publisher = stack.enter_context(closing(Publisher(server)))
        latencies(publisher, readers, events)
        for number in range(2 * rounds):
            before = server.resident_bytes
            # Which comes first changes: the machine may grow slower or quicker meanwhile.
            for is_beside in (number % 2 == 0, number % 2 == 1):
                with ExitStack() as stalling:
                    if is_beside:
                        stalling.enter_context(_stalled(readers.address, server))
                        # First it is given what the system holds for it: some megabytes from storage.
                        replaying.append(latencies(publisher, readers, events))
                    (beside if is_beside else alone).append(latencies(publisher, readers, events))
                    grown.append((server.resident_bytes - before) / 2**20)
    _compare(report, "the others' p99 beside a reader that takes nothing", beside, alone, goal=1.2)
    _compare(report, "the others' p99 while it is caught up from storage", replaying, alone)
    report.add("memory that it took", f"{max(grown):.1f} MB at most", "≤ 20 MB", kept=max(grown) <= 20)


def _compare(
    report: Report, name: str, ours: list[list[float]], alone: list[list[float]], goal: float | None = None
) -> None:
    p99, p99_alone = ([percentile(seconds, 0.99) for seconds in rounds] for rounds in (ours, alone))
    ratios = [with_it / without for with_it, without in zip(p99, p99_alone, strict=True)]
    report.add(name, f"{milliseconds(median(p99))} against {milliseconds(median(p99_alone))} alone")
    report.add(
        f"{name}, ratio",
        spread(ratios),
        f"≤ {goal}" if goal else "",
        kept=median(ratios) <= goal if goal else None,
    )


def _fill(server: Measured, events: int = 12_000) -> None:
    """Make more events than the system holds for a reader that takes nothing."""
    with server.client() as client:
        client.post("/v1/coord/queues/idle/pause").raise_for_status()
    body = {"agent": "idle", "input": "x"}
    headers = {"X-Request-ID": "r" * 128, **server.headers}
    generate(Plan(server.url, body, requests=events, headers=headers))


@contextmanager
def _stalled(address: tuple[str, int], server: Measured) -> Iterator[None]:
    """Ask for every event from the first on, and take none."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(address)
        sock.sendall(head("GET", "/v1/events?after=0", server.url, *server.header_lines))
        yield


def latencies(publisher: Publisher, readers: Subscribers, events: int) -> list[float]:
    """Return how long each delivery took, from the request that made its event."""
    seconds: list[float] = []
    for _ in range(events):
        goal = readers.frames + len(readers)
        readers.arrivals = []
        began = time.monotonic()
        publisher.one()
        readers.until(goal)
        publisher.answered()
        seconds += [arrived - began for arrived in readers.arrivals]
    readers.arrivals = None
    return seconds


PARTS = {"deliveries": deliveries, "idle": idle, "slow": slow}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=sorted(PARTS), default=None)
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    report = Report("Event streams")
    with tempfile.TemporaryDirectory() as folder:
        for name, part in PARTS.items():
            if arguments.only in (None, name):
                part(report, Path(folder), arguments.rounds)
    report.print()


if __name__ == "__main__":
    main()
