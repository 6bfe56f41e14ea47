"""Streams in number: readers that vanish, one that stops, many that stay."""

import json
import re
import signal
import socket
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
from tests.support.event_reader import parse_frame
from tests.support.load_generator import Plan, generate
from tests.support.polling import until
from tests.support.raw_http import connection, head
from tests.support.server import ServerProcess, running_server
from tests.support.subscribers import subscribers

IDLE = {"provider": "offline", "model": "planner", "tools": []}
RESET = b"\x01\x00\x00\x00\x00\x00\x00\x00"


def _settings(**server: Any) -> dict[str, Any]:
    return {"agents": {"idle": IDLE}, "limits": {"queue_capacity": 100_000}, "server": server}


def _pause(client: httpx2.Client) -> None:
    client.post("/v1/coord/queues/idle/pause").raise_for_status()


def _spawns(server: ServerProcess, count: int) -> None:
    """Make an event each; the longest request id makes them long."""
    plan = Plan(
        server.url,
        {"agent": "idle", "input": "x"},
        requests=count,
        connections=16,
        headers={"X-Request-ID": "r" * 128},
    )
    assert set(generate(plan).statuses) == {202}


def _metric(client: httpx2.Client, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


def _subscribers(client: httpx2.Client) -> int:
    return int(_metric(client, "airboss_event_subscribers"))


def _descriptors(server: ServerProcess) -> int:
    """Count what is open, without the database: each thread that has read keeps its connection to that."""
    count = 0
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(OSError):
            count += "airboss.db" not in str(link.readlink())
    return count


def test_a_thousand_connects_that_vanish_leave_nothing_behind(folder: Path) -> None:
    """By FIN and by RST; before the request, before the first byte and behind it."""
    limit = 200
    with (
        running_server(folder, _settings(max_subscribers_per_caller=limit)) as server,
        server.client() as client,
    ):
        _pause(client)
        with subscribers(server.url, 50, "/v1/events?after=0"):
            before = _descriptors(server) - 50
        request = head("GET", "/v1/events?after=0", server.url)
        for number in range(1000):
            with connection(server.url) as sock:
                if number % 2:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                if number % 3:
                    sock.sendall(request if number % 5 else request[:-2])
                if number % 3 == 2 and number % 5:
                    # A refusal is an answer too: those that left are still being noticed.
                    assert sock.recv(4096).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 429 "))
        until(lambda: _subscribers(client) == 0, "subscribers gone")
        until(lambda: _descriptors(server) <= before, "descriptors closed")
        # Every slot is free again, and not one more than there are.
        with subscribers(server.url, limit) as readers:
            assert _subscribers(client) == limit
            answer = client.get("/v1/events")
            assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_subscribers")
            _spawns(server, 3)
            readers.until(limit * 3)
        until(lambda: _subscribers(client) == 0, "subscribers gone")


def test_a_reader_that_stops_is_told_and_misses_none_of_thousands(folder: Path) -> None:
    """It stops for more than its buffer and the system's hold; the others get each event meanwhile."""
    events, others = 9000, 10
    settings = _settings() | {"events": {"subscriber_buffer": 256}}
    with running_server(folder, settings) as server, server.client() as client:
        _pause(client)
        with (
            connection(server.url, receive_buffer=4096) as stopped,
            subscribers(server.url, others) as readers,
        ):
            stopped.sendall(head("GET", "/v1/events", server.url))
            until(lambda: _subscribers(client) == others + 1, "all subscribed")
            readers.start()
            _spawns(server, events)
            readers.until(events * others)
            readers.stop()
            assert _metric(client, "airboss_events_lagged_total") >= 1
            frames = _read_spawned(stopped, events)
    ids = [frame.id for frame in frames if frame.id is not None]
    assert len(ids) == events
    assert all(earlier < later for earlier, later in pairwise(ids))
    lagged = [index for index, frame in enumerate(frames) if frame.event == "stream.lagged"]
    assert lagged, "it was not told"
    for index in lagged:
        missed = frames[index].data
        behind = [frame.id for frame in frames[index + 1 :] if frame.id is not None]
        # What it missed comes next, from storage.
        assert missed["missed_from"] <= (behind[0] or 0) <= missed["missed_to"]
        assert not [frame.id for frame in frames[:index] if (frame.id or 0) >= missed["missed_from"]]


def _read_spawned(sock: socket.socket, events: int) -> list[Any]:
    """Take a chunked stream apart up to so many spawned jobs."""
    received = bytearray()
    while received.count(b"event: job.spawned\n") < events or not received.endswith(b"\n\n\r\n"):
        data = sock.recv(1 << 18)
        assert data, "the stream broke off"
        received += data
    _, _, rest = bytes(received).partition(b"\r\n\r\n")
    body = bytearray()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        body += rest[:length]
        rest = rest[length + 2 :]
    texts = body.decode().split("\n\n")[:-1]
    return [parse_frame(text) for text in texts if text != "retry: 3000" and not text.startswith(":")]


def test_a_thousand_readers_each_get_every_event(folder: Path) -> None:
    settings = _settings(max_subscribers_per_caller=5000) | {"events": {"heartbeat_seconds": 0.5}}
    with running_server(folder, settings) as server, server.client() as client:
        _pause(client)
        with subscribers(server.url, 1000) as readers:
            _spawns(server, 20)
            readers.until(20 * 1000)
            assert readers.least == 20
            # They are heartbeats that come now, and the server still answers.
            assert client.get("/health/ready").status_code == 200


def test_what_the_layers_around_a_stream_add_is_there_though_they_have_gone(folder: Path) -> None:
    """The edge runs the rest of a stream itself, behind its first bytes."""
    origin = "http://dashboard.example"
    with running_server(folder, _settings(cors_origins=[origin])) as server, server.client() as client:
        _pause(client)
        with client.stream("GET", "/v1/events", headers={"Origin": origin, "X-Request-ID": "r-1"}) as answer:
            assert answer.headers["access-control-allow-origin"] == origin
            assert answer.headers["x-request-id"] == "r-1"
            assert answer.headers["content-type"].startswith("text/event-stream")
            _spawns(server, 1)
            assert any("event: job.spawned" in line for line in answer.iter_lines())
        until(lambda: '"/v1/events"' in server.log, "the request is logged when the stream has ended")
    told = [json.loads(line) for line in server.log.splitlines() if '"/v1/events"' in line]
    assert [(entry["status"], entry["correlation_id"]) for entry in told] == [(200, "r-1")]


def test_a_request_behind_a_stream_on_one_connection_disturbs_nothing(folder: Path) -> None:
    """What is pipelined waits for the stream's end, and events go on meanwhile."""
    with running_server(folder, _settings()) as server, server.client() as client:
        _pause(client)
        with connection(server.url) as sock:
            sock.sendall(head("GET", "/v1/events", server.url) + head("GET", "/health/live", server.url))
            until(lambda: _subscribers(client) == 1, "subscribed")
            _spawns(server, 5)
            received = b""
            while received.count(b"event: job.spawned") < 5:
                received += sock.recv(65536)
            server.process.send_signal(signal.SIGTERM)
            while b"draining" not in received.partition(b"event: stream.end")[2]:
                received += sock.recv(65536)
        assert server.wait() == 0
    # What waited behind the stream may be answered at its end, not before.
    assert received.partition(b"event: stream.end")[0].count(b"HTTP/1.1 200 OK") == 1
