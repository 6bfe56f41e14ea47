"""Streams under hard use: restarts, drains, readers that are slow or vanish."""

import contextlib
import json
import re
import socket
import time
from pathlib import Path
from typing import Any

import httpx2
from tests.e2e.conftest import settings_of
from tests.support.api_jobs import event_types, run, spawn
from tests.support.event_reader import event_stream, parse_frame
from tests.support.fake_provider import FakeProvider
from tests.support.polling import until
from tests.support.raw_http import connection, head
from tests.support.server import ServerProcess, running_server, start_server


def _metric(client: httpx2.Client, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", client.get("/metrics").text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def _descriptors(server: ServerProcess) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def test_a_reader_misses_nothing_across_restarts(folder: Path, provider: FakeProvider) -> None:
    """Drained once, killed once: ids go on growing, and every event comes once and in order."""
    settings = settings_of(provider)
    seen: list[int] = []
    jobs: list[dict[str, Any]] = []
    position = 0
    kept: list[tuple[int, str]] = []
    for life in range(3):
        with running_server(folder, settings) as server, server.client() as client:
            jobs.append(run(client, "quick"))
            with event_stream(server, headers={"Last-Event-ID": str(position)}) as events:
                events.until(
                    lambda frame: (
                        frame.data.get("subject") == jobs[-1]["id"] and frame.event == "job.completed"
                    )
                )
                seen += events.ids
                position = seen[-1]
                # What comes while nobody reads, up to the end of the process, is told by the next one.
                jobs.append(run(client, "tool"))
                if life == 2:
                    events.until(
                        lambda frame: (
                            frame.data.get("subject") == jobs[-1]["id"] and frame.event == "job.completed"
                        )
                    )
                    seen += events.ids[len(seen) and events.ids.index(position) + 1 :]
                    kept = _all_events(server)
            server.kill() if life else server.stop()
    assert seen == sorted(set(seen))
    assert seen == [identifier for identifier, _ in kept if identifier <= seen[-1]]
    kinds = [kind for _, kind in kept]
    assert kinds.count("job.completed") == len(jobs) == 6
    assert kinds.count("node.joined") == 3
    assert kinds.count("node.draining") == kinds.count("node.left") == 1
    assert len({job["id"] for job in jobs}) == 6
    assert [job["id"] for job in jobs] == sorted(job["id"] for job in jobs)


def _all_events(server: ServerProcess) -> list[tuple[int, str]]:
    """Read from the oldest kept to an event made now."""
    with server.client() as client, event_stream(server, after=0) as events:
        client.post("/v1/coord/queues/idle/pause").raise_for_status()
        frames = events.until_type("queue.paused")
    return [(frame.id or 0, frame.event) for frame in frames[:-1]]


def test_every_stream_is_told_of_a_drain_and_the_stop_is_prompt(folder: Path, provider: FakeProvider) -> None:
    with running_server(folder, settings_of(provider)) as server, contextlib.ExitStack() as stack:
        with server.client() as client:
            client.post("/v1/coord/queues/idle/pause")
            job = spawn(client, "idle")
        readers = [stack.enter_context(event_stream(server)) for _ in range(48)]
        readers.append(stack.enter_context(event_stream(server, job["links"]["events"])))
        readers.append(stack.enter_context(event_stream(server, types="job.completed")))
        began = time.monotonic()
        assert server.stop() == 0
        seconds = time.monotonic() - began
        for reader in readers:
            frames = reader.until_end()
            assert frames[-1].data == {"reason": "draining"}
        assert seconds < 2, f"stopped after {seconds:.2f} s"
        assert "node.draining" in {frame.event for frame in readers[0].frames}


def test_a_stop_does_not_wait_for_a_reader_that_takes_nothing(folder: Path, provider: FakeProvider) -> None:
    with (
        running_server(folder, settings_of(provider)) as server,
        connection(server.url, receive_buffer=2048) as sock,
    ):
        sock.sendall(head("GET", "/v1/events?after=0", server.url))
        with server.client() as client:
            for _ in range(4):
                run(client, "bulk")
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 4


def test_a_slow_reader_is_told_and_misses_nothing(folder: Path, provider: FakeProvider) -> None:
    settings = settings_of(provider) | {"events": {"subscriber_buffer": 8, "heartbeat_seconds": 1}}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(running_server(folder, settings))
        client = stack.enter_context(server.client())
        with connection(server.url, receive_buffer=2048) as sock, event_stream(server) as quick:
            sock.sendall(head("GET", "/v1/events", server.url))
            assert b"retry: 3000" in _receive_until(sock, b"retry: 3000\n\n")
            jobs: list[dict[str, Any]] = []
            while not (lagged := _metric(client, "airboss_events_lagged_total")):
                assert len(jobs) < 30, "the slow reader never lagged"
                jobs.append(run(client, "bulk"))
            assert lagged >= 1
            jobs.append(run(client, "quick"))
            last = jobs[-1]["id"]
            end = f'job.completed","subject":"{last}"'.encode()
            text = _receive_until(sock, end)
            if b"\n\n" not in text.partition(end)[2]:
                # The last frame came in two parts.
                text += _receive_until(sock, b"\n\n")
            frames = _frames(text)
            others = quick.until(
                lambda frame: frame.event == "job.completed" and frame.data["subject"] == last
            )
    ids = [frame.id for frame in frames if frame.id is not None]
    assert ids == [frame.id for frame in others if frame.id is not None]
    assert ids == sorted(set(ids))
    notices = [frame for frame in frames if frame.event == "stream.lagged"]
    assert notices, "the slow reader was not told"
    for notice in notices:
        assert set(notice.data) == {"missed_from", "missed_to"}
        assert notice.data["missed_from"] <= notice.data["missed_to"]


def _receive_until(sock: socket.socket, end: bytes) -> bytes:
    received = b""
    while end not in received:
        data = sock.recv(65536)
        assert data, "the stream broke off"
        received += data
    return received


def _frames(chunked: bytes) -> list[Any]:
    """Take the frames out of chunked bytes: what stands between chunks is a size on a line of its own."""
    text = re.sub(rb"\r\n(?:[0-9a-f]+\r\n)?|^[0-9a-f]+\r\n", b"", chunked).decode(errors="ignore")
    texts = [part for part in text.split("\n\n") if part.startswith(("id: ", "event: "))]
    frames = []
    for part in texts:
        with contextlib.suppress(json.JSONDecodeError, AssertionError):
            frames.append(parse_frame(part))
    # Only the last one may be cut off.
    assert len(frames) >= len(texts) - 1
    return frames


def test_two_hundred_connects_that_vanish_leave_nothing_behind(busy_server: ServerProcess) -> None:
    with busy_server.client() as client:
        client.get("/health/live")
        descriptors, subscribers = _descriptors(busy_server), _metric(client, "airboss_event_subscribers")
        request = head("GET", "/v1/events", busy_server.url)
        for number in range(200):
            with connection(busy_server.url) as sock:
                sock.sendall(request)
                if number % 3 == 0:
                    _receive_until(sock, b"retry: 3000\n\n")
                if number % 3 == 1:
                    # Not closed but reset.
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        until(lambda: _metric(client, "airboss_event_subscribers") == subscribers, "subscribers gone")
        until(lambda: _descriptors(busy_server) <= descriptors, "descriptors closed")
        # Their slots are free as well: the caller may open as many streams as before.
        with event_stream(busy_server) as events:
            run(client, "quick")
            events.until_type("job.completed")


def test_a_reader_of_a_job_that_is_handed_back_is_told_to_come_again(
    folder: Path, provider: FakeProvider
) -> None:
    settings = settings_of(provider) | {"server": {"shutdown_grace_seconds": 0}}
    calls = provider.calls("hang-middle")
    with running_server(folder, settings) as server, server.client() as client:
        job = spawn(client, "hang-middle")
        provider.wait_called("hang-middle", calls + 1)
        with event_stream(server, job["links"]["events"]) as events:
            events.until_type("output.delta")
            assert server.stop() == 0
            frames = events.until_end()
    assert frames[-1].data == {"reason": "draining"}
    server = start_server(folder, settings)
    try:
        with server.client() as client:
            provider.wait_called("hang-middle", calls + 2)
            assert client.post(job["links"]["cancel"]).status_code == 202
            with event_stream(server, job["links"]["events"], after=events.ids[-1]) as events:
                events.until_end()
            kinds = event_types(client, job["id"])
            assert kinds.count("job.interrupted") == 1
            assert kinds.count("job.started") == 2
            assert client.get(job["links"]["self"]).json()["state"] == "cancelled"
            # An interruption by a drain does not spend an attempt.
            assert client.get(job["links"]["self"]).json()["attempt"] == 1
    finally:
        server.kill()
