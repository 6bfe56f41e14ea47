"""The edge under attack: malformed and slow peers are cut, nothing is a 5xx, and everything is given back."""

import contextlib
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.support.envelope import assert_error_document, assert_refused
from tests.support.polling import until
from tests.support.raw_http import connection, exchange, head
from tests.support.server import ServerProcess, running_server

_ORIGIN = "https://app.example"
_H = b"Host: localhost\r\n"
_JSON = b"Content-Type: application/json\r\n"
_POST = b"POST /v1/jobs HTTP/1.1\r\n" + _H + _JSON
_GET = b"GET /v1/jobs HTTP/1.1\r\n" + _H
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n\r\n"
_NEXT = b"GET /admin HTTP/1.1\r\n" + _H + b"\r\n"


def _lengths() -> Iterator[bytes]:
    for length in (
        b"", b" ", b"-1", b"+2", b"0x2", b"2,2", b"2, 3", b"2 2", b"2;", b"two", b"2.0", b"1e1", b"\x002", b"2\x00",
        b"99999999999999999999", b"18446744073709551617", b"\xd9\xa2",
    ):  # fmt: skip
        yield _POST + b"Content-Length: " + length + b"\r\n\r\n{}" + _NEXT
    yield _POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x" + _NEXT
    yield _POST + b"Content-Length: 2\r\ncontent-length: 2\r\n\r\n{}" + _NEXT
    yield _POST + b"Content-Length : 2\r\n\r\n{}" + _NEXT
    yield _POST + b"Content-Length: 2\r\n 3\r\n\r\n{}" + _NEXT
    yield _POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _NEXT
    yield _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n" + _NEXT


def _encodings() -> Iterator[bytes]:
    for coding in (
        b"gzip", b"identity", b"chunked, gzip", b"chunked, identity", b"xchunked", b"chunkedx", b"", b"\x0bchunked",
        b"chunked\x00", b'"chunked"', b"chunked;q=1", b"chunked chunked", b"cow", b"gzip, cow",
    ):  # fmt: skip
        yield _POST + b"Transfer-Encoding: " + coding + b"\r\n\r\n0\r\n\r\n" + _NEXT
    yield _POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n" + _NEXT
    yield _POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + _NEXT
    yield _POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + _NEXT
    yield _POST + b"Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n" + _NEXT
    yield b"POST /v1/jobs HTTP/1.0\r\n" + _H + _JSON + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _NEXT


def _chunks() -> Iterator[bytes]:
    for chunk in (
        b"zz\r\n{}\r\n", b"-2\r\n{}\r\n", b"+2\r\n{}\r\n", b"0x2\r\n{}\r\n", b" 2\r\n{}\r\n", b"2 \r\n{}\r\n", b"2\n{}\r\n",
        b"2\r\n{}x\r\n", b"2\r\n{}\n", b"2\r{}\r\n", b"\r\n{}\r\n", b"ffffffffffffffff\r\n{}\r\n", b"10000000000000002\r\n{}\r\n",
        b"2;\x00\r\n{}\r\n", b"2;a\nb\r\n{}\r\n", b"2_0\r\n{}\r\n", b"2\r\n{}\r\n1\r\n\r\n\r\n", b"2\xff\r\n{}\r\n",
    ):  # fmt: skip
        yield _CHUNKED + chunk + b"0\r\n\r\n" + _NEXT
    yield _CHUNKED + b"2\r\n{}\r\n0\r\nBad Trailer: x\r\n\r\n" + _NEXT
    yield _CHUNKED + b"2\r\n{}\r\n0\r\nX: a\x00b\r\n\r\n" + _NEXT
    yield _CHUNKED + b"2\r\n{}\r\n0\r\n folded\r\n\r\n" + _NEXT


def _lines() -> Iterator[bytes]:
    for line in (
        b"GET /v1/jobs", b"GET", b"/v1/jobs", b"GET\t/v1/jobs HTTP/1.1",
        b" GET /v1/jobs HTTP/1.1", b"GET /v1/jobs HTTP/1.1 ", b"GET /v1/jobs http/1.1", b"GET /v1/jobs HTTP/1", b"GET /v1/jobs HTTP/2.0",
        b"GET /v1/jobs HTTP/0.9", b"GET /v1/jobs HTTP/1.2", b"GET /v1/jobs HTTP/11.1", b"GET /v1/jobs HTTPS/1.1", b"GET /v1/jobs ICE/1.0",
        b"get /v1/jobs HTTP/1.1", b"G\xc3\x89T /v1/jobs HTTP/1.1", b"GET\x00 /v1/jobs HTTP/1.1", b"FROB /v1/jobs HTTP/1.1",
        b"GET /v1/jobs\x00 HTTP/1.1", b"GET /v1/\x7fjobs HTTP/1.1", b"GET /v1/jobs\xff HTTP/1.1", b"GET v1/jobs HTTP/1.1", b"GET * HTTP/1.1",
        b"GET ? HTTP/1.1", b"GET http:///v1/jobs HTTP/1.1", b"GET http://[::1/v1/jobs HTTP/1.1", b"GET http://a:b:c/v1/jobs HTTP/1.1",
        b"GET ftp://localhost/v1/jobs HTTP/1.1", b"GET file:///etc/passwd HTTP/1.1", b"GET localhost:80 HTTP/1.1", b"CONNECT localhost:80 HTTP/1.1",
        b"CONNECT /v1/jobs HTTP/1.1", b"OPTIONS * HTTP/1.1", b"TRACE / HTTP/1.1", b"PRI * HTTP/2.0", b"GET /" + b"a" * 70_000 + b" HTTP/1.1",
        b"A" * 70_000, b"GET /v1/jobs?limit=" + b"9" * 5000 + b" HTTP/1.1", b"GET /v1/jobs/%00 HTTP/1.1", b"GET /v1/jobs/%zz HTTP/1.1",
        b"GET /v1/jobs/%ff%fe HTTP/1.1", b"GET /v1/jobs/..%2f..%2fetc HTTP/1.1", b"GET /ui/assets/..%2f..%2fsecrets HTTP/1.1",
    ):  # fmt: skip
        yield line + b"\r\n" + _H + b"\r\n"


def _headers() -> Iterator[bytes]:
    for header in (
        b"X: a\x00b\r\n", b"X\x00: a\r\n", b"X: a\rb\r\n", b"X: a\nb\r\n", b"X : a\r\n", b" X: a\r\n", b"\tX: a\r\n", b": a\r\n", b"X\r\n",
        b"X: a\r\n folded\r\n", b"X: a\r\n\tfolded\r\n", b"X(: a\r\n", b"\xc3\xa9: a\r\n", b"X: a\x7f\r\n", b"X: \x01\r\n", b"Host: other\r\n",
        b"hOsT: localhost\r\n", b"Host : localhost\r\n", b"X: " + b"a" * 70_000 + b"\r\n", b"".join(b"X-%d: a\r\n" % n for n in range(200)),
        b"".join(b"X-%d: a\r\n" % n for n in range(20_000)), b"X" * 70_000 + b": a\r\n",
    ):  # fmt: skip
        yield _GET + header + b"\r\n"
    for host in (
        b"Host:\r\n",
        b"Host: a b\r\n",
        b"Host: evil.example\r\n",
        b"Host: localhost, evil.example\r\n",
        b"Host: [::1\r\n",
        b"",
    ):
        yield b"GET /v1/jobs HTTP/1.1\r\n" + host + b"\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(200)
    yield b"\x00" * 5000
    yield b"SSH-2.0-OpenSSH_9.9\r\n"
    yield b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + _GET + b"\r\n"
    yield b"EHLO localhost\r\n"
    yield b"*1\r\n$4\r\nPING\r\n"


_CORPUS = [*_lengths(), *_encodings(), *_chunks(), *_lines(), *_headers()]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    settings = {
        "server": {"receive_timeout_seconds": 0.5, "max_connections": 300, "cors_origins": [_ORIGIN]},
        "events": {"heartbeat_seconds": 0.2},
    }
    with running_server(tmp_path_factory.mktemp("edge"), settings) as running:
        yield running


def _descriptors(server: ServerProcess) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def _is_well(server: ServerProcess) -> bool:
    return exchange(server.url, head("GET", "/health/live", server.url)).status == 200


def _read_all(sock: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := sock.recv(65536):
            received += data
    return received


def _statuses(answers: bytes) -> list[int]:
    return [int(part[:3]) for part in answers.split(b"HTTP/1.1 ")[1:]]


def _answers(server: ServerProcess, data: bytes) -> bytes:
    with connection(server.url) as sock:
        with contextlib.suppress(ConnectionError):
            sock.sendall(data)
        return _read_all(sock)


def _is_refused(data: bytes, statuses: list[int]) -> bool:
    """Tell whether there are 4xx only; a route `/admin` that is told of would be a request hidden behind another."""
    if not statuses:
        # What is too long may lose its answer: the connection is reset with bytes unread. What never ends is cut.
        return len(data) > 60_000 or not data.endswith(b"\r\n\r\n")
    return all(400 <= status < 500 for status in statuses)


def test_the_corpus_is_large() -> None:
    assert len(set(_CORPUS)) >= 100


def test_malformed_requests_are_a_4xx_and_the_connection_is_closed(server: ServerProcess) -> None:
    before = _descriptors(server)
    with ThreadPoolExecutor(32) as threads:
        answers = dict(zip(_CORPUS, threads.map(lambda data: _answers(server, data), _CORPUS), strict=True))
    wrong = [
        (data[:120], _statuses(told))
        for data, told in answers.items()
        if not _is_refused(data, _statuses(told)) or b"/admin" in told
    ]
    assert wrong == []
    assert _is_well(server)
    until(lambda: _descriptors(server) <= before, "all descriptors are given back")


@pytest.mark.parametrize("line", ["GET  /health/live HTTP/1.1", "GET /health/live  HTTP/1.1"])
def test_spaces_too_many_are_taken_for_one(server: ServerProcess, line: str) -> None:
    # RFC 9112, 3, lets a server be lenient here: nothing can hide in them.
    assert exchange(server.url, f"{line}\r\nHost: localhost\r\n\r\n".encode()).status == 200


def test_a_refusal_of_malformed_http_is_the_envelope(server: ServerProcess) -> None:
    answer = exchange(server.url, b"nonsense\r\n\r\n")
    assert assert_error_document(answer.json, answer.headers["x-request-id"])["code"] == "invalid_json"
    assert answer.headers["connection"] == "close"
    assert answer.headers["x-content-type-options"] == "nosniff"


# -- slow peers: `receive_timeout_seconds` is 0.5 here --------------------------------------------------------

_DRIPS = {
    "a head": (b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n"),
    "a body": (_POST + b"Content-Length: 1000\r\n\r\n", b"{"),
    "a chunked body": (_CHUNKED, b"1\r\n{\r\n"),
    "a body of a route that is not there": (b"POST /nothing HTTP/1.1\r\n" + _H + b"Content-Length: 9000\r\n\r\n", b"x"),
    "a body of a GET": (b"GET /health/live HTTP/1.1\r\n" + _H + b"Content-Length: 9000\r\n\r\n", b"x"),
    "a body of a HEAD": (b"HEAD /health/live HTTP/1.1\r\n" + _H + b"Content-Length: 9000\r\n\r\n", b"x"),
    "empty lines behind an answer": (b"GET /health/live HTTP/1.1\r\n" + _H + b"\r\n", b"\r\n"),
    "bytes behind an upgrade": (
        b"GET /health/live HTTP/1.1\r\n" + _H + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        b"x",
    ),
    "the first line": (b"G", b"E"),
    "nothing": (b"", b""),
}  # fmt: skip


@pytest.mark.parametrize("drip", _DRIPS)
def test_a_peer_that_drips_is_cut(server: ServerProcess, drip: str) -> None:
    first, rest = _DRIPS[drip]
    with connection(server.url) as sock:
        sock.sendall(first)
        # Each drop comes within the deadline: only the whole may not take longer.
        sock.settimeout(0.2)
        for _ in range(50):
            try:
                if sock.recv(65536) == b"":
                    return
            except TimeoutError:
                with contextlib.suppress(BrokenPipeError):
                    sock.sendall(rest)
            except ConnectionResetError:
                return
    pytest.fail("still connected after ten seconds")


def test_a_whole_body_behind_its_answer_leaves_the_connection_open(server: ServerProcess) -> None:
    with connection(server.url) as sock:
        sock.sendall(b"POST /nothing HTTP/1.1\r\n" + _H + b"Content-Length: 100000\r\n\r\n" + b"x" * 50_000)
        sock.sendall(b"x" * 50_000 + head("GET", "/health/live", server.url, "Connection: close"))
        assert _statuses(_read_all(sock)) == [404, 200]


def test_a_peer_that_takes_no_answer_is_cut(server: ServerProcess) -> None:
    before = _descriptors(server)
    with connection(server.url, receive_buffer=4096) as sock:
        request = head("GET", "/openapi.json", server.url)
        sock.settimeout(0.2)
        with contextlib.suppress(TimeoutError, ConnectionError):
            while True:
                sock.sendall(request * 100)
        until(lambda: _descriptors(server) <= before, "the descriptor is given back while the peer stays")
    assert _is_well(server)


def test_endless_pipelining_is_bounded(server: ServerProcess) -> None:
    with connection(server.url) as sock:
        sock.sendall(head("GET", "/health/live", server.url) * 2000)
        statuses = _statuses(_read_all(sock))
    assert set(statuses) == {200}
    assert len(statuses) < 500


def test_a_stream_ends_with_its_peer_even_with_a_request_behind_it(server: ServerProcess) -> None:
    with server.client() as client:
        for _ in range(20):
            with connection(server.url) as sock:
                sock.sendall(head("GET", "/v1/events", server.url) + head("GET", "/health/live", server.url))
                sock.recv(4096)
        until(
            lambda: "\nairboss_event_subscribers 0.0\n" in client.get("/metrics").text,
            "all subscriptions are given back",
        )


def test_connections_beyond_the_cap_are_closed_and_the_others_served(server: ServerProcess) -> None:
    before = _descriptors(server)
    # Each is worked on, or it would be cut as silent.
    stream = head("GET", "/v1/events", server.url)
    with contextlib.ExitStack() as held:
        first = held.enter_context(connection(server.url))
        first.sendall(stream)
        assert first.recv(12) == b"HTTP/1.1 200"
        closed = 0
        for _ in range(320):
            sock = held.enter_context(connection(server.url))
            try:
                sock.sendall(stream)
                closed += sock.recv(12) == b""
            except ConnectionError:
                closed += 1
        assert 20 <= closed <= 30
        assert first.recv(1)
    until(lambda: _descriptors(server) <= before, "all descriptors are given back")
    assert _is_well(server)


# -- headers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "cached"),
    [("/v1/jobs", "no-store"), ("/v1/nothing", "no-store"), ("/health/ready", "no-store"), ("/metrics", "no-store"),
     ("/", "no-store"), ("/openapi.json", "no-store"), ("/ui/", "no-cache"), ("/docs", "no-cache")],
)  # fmt: skip
def test_every_answer_has_the_headers_of_security_once(server: ServerProcess, path: str, cached: str) -> None:
    answer = exchange(server.url, head("GET", path, server.url))
    for name, value in {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cache-control": cached,
    }.items():
        assert answer.headers.get_all(name) == [value]
    # Promised over TLS only: without it the promise would be broken at once.
    assert "strict-transport-security" not in answer.headers


def test_the_dashboard_runs_nothing_but_its_own(server: ServerProcess) -> None:
    for path in ("/ui/", "/docs", "/ui/spawn", "/ui/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a"):
        policy = exchange(server.url, head("GET", path, server.url)).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [("gzip", True), ("gzip;q=0", False), ("gzip; q=0.0", False), ("gzip;q=0.1", True), ("GZIP", True), ("x-gzip", True),
     ("identity, gzip;q=0", False), ("br, gzip;q=1.0, *;q=0", True), ("notgzip", False), ("gzipped", False), ("*", False),
     ("gzip;q=x", False), ("gzip, gzip;q=0", False), ("deflate, gzip", True)],
)  # fmt: skip
def test_compression_is_for_who_wants_it(server: ServerProcess, accepted: str, is_packed: bool) -> None:
    answer = exchange(server.url, head("GET", "/openapi.json", server.url, f"Accept-Encoding: {accepted}"))
    assert answer.headers["content-encoding"] == ("gzip" if is_packed else None)
    assert "accept-encoding" in answer.headers["vary"].lower()


# -- pages of other origins ------------------------------------------------------------------------------------


def _from(origin: str, **headers: str) -> dict[str, str]:
    return {"Origin": origin, **{name.replace("_", "-"): value for name, value in headers.items()}}


def test_a_named_origin_may_ask_and_may_read_what_it_needs(server: ServerProcess) -> None:
    asked = _from(
        _ORIGIN,
        Access_Control_Request_Method="POST",
        Access_Control_Request_Headers="authorization, content-type, idempotency-key",
    )
    with httpx2.Client(base_url=server.url, trust_env=False, verify=False) as client:
        preflight = client.options("/v1/jobs", headers=asked)
        assert (preflight.status_code, preflight.content) == (204, b"")
        assert preflight.headers["access-control-allow-origin"] == _ORIGIN
        assert "POST" in preflight.headers["access-control-allow-methods"]
        for name in (
            "Authorization",
            "Content-Type",
            "Idempotency-Key",
            "Last-Event-ID",
            "Prefer",
            "X-Request-ID",
        ):
            assert name in preflight.headers["access-control-allow-headers"]
        for path, status in (("/v1/jobs", 200), ("/v1/nothing", 404)):
            answer = client.get(path, headers=_from(_ORIGIN))
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == _ORIGIN
            exposed = answer.headers["access-control-expose-headers"]
            for name in ("X-Request-ID", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset",
                         "Location", "Idempotent-Replayed"):  # fmt: skip
                assert name in exposed
            assert "access-control-allow-credentials" not in answer.headers
            assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://app.example", "https://app.example.evil"]
)
def test_no_other_origin_may(server: ServerProcess, origin: str) -> None:
    with httpx2.Client(base_url=server.url, trust_env=False, verify=False) as client:
        for method in ("GET", "OPTIONS"):
            asked = _from(origin, Access_Control_Request_Method="POST")
            answer = client.request(method, "/v1/jobs", headers=asked)
            assert_refused(answer, "host_not_allowed")
            assert "access-control-allow-origin" not in answer.headers


def test_every_origin_is_allowed_without_credentials_only(tmp_path: Path) -> None:
    with running_server(tmp_path, {"server": {"cors_origins": ["*"]}}) as server, server.client() as client:
        answer = client.get("/v1/jobs", headers=_from("https://any.example", Cookie="a=b"))
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers


def test_without_named_origins_nobody_is_told_anything(shared_server: ServerProcess) -> None:
    host = urlsplit(shared_server.url).netloc
    with shared_server.client() as client:
        answer = client.get("/v1/jobs", headers=_from(f"http://{host}"))
        assert (answer.status_code, "access-control-allow-origin" in answer.headers) == (200, False)
