"""Routes, methods, hosts, headers and connections that no good client would come with."""

import contextlib
import http.client
import json
import socket

import httpx2
import pytest
from tests.support.envelope import assert_error_document, assert_refused
from tests.support.raw_http import connection, exchange, head, read_answer
from tests.support.server import ServerProcess

_PATHS = (
    "/",
    "/v1/jobs",
    "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a",
    "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a/wait",
    "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a/cancel",
    "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a/retry",
    "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a/events",
    "/v1/events",
    "/v1/events/tickets",
    "/v1/agents",
    "/v1/agents/quick",
    "/v1/coord/queues",
    "/v1/coord/queues/quick/pause",
    "/v1/coord/queues/quick/resume",
    "/health/live",
    "/health/ready",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/ui/",
)
_METHODS = {path: {"GET"} for path in _PATHS} | {
    "/v1/jobs": {"GET", "POST"},
    **{
        path: {"POST"}
        for path in _PATHS
        if path.endswith(("/cancel", "/retry", "/pause", "/resume", "/tickets"))
    },
}


@pytest.mark.parametrize("path", _PATHS)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST", "GET", "TRACE", "PROPFIND", "OPTIONS"])
def test_a_method_that_a_route_has_not_is_a_405_that_names_those_it_has(
    client: httpx2.Client, path: str, method: str
) -> None:
    if method in _METHODS[path]:
        return
    answer = client.request(method, path)
    assert_refused(answer, "method_not_allowed")
    allowed = {name.strip() for name in answer.headers["allow"].split(",")}
    assert allowed - {"HEAD", "OPTIONS"} == _METHODS[path]


@pytest.mark.parametrize("path", _PATHS)
def test_head_is_get_without_a_body(client: httpx2.Client, path: str) -> None:
    answer = client.head(path)
    assert answer.status_code in ((200, 404) if "GET" in _METHODS[path] else (405,))
    assert answer.content == b""


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/v1",
        "/v2/jobs",
        "/V1/jobs",
        "/v1/Jobs",
        "//v1/jobs",
        "/v1//jobs",
        "/ui/nothing",
        "/ui/nothing.js",
        "/ui/..%2fopenapi.json",
        "/v1/jobs/x/y/z",
        "/%00",
        "/%ff%fe",
        "/\U0001f4a9",
        "/" + "a" * 8000,
        "/mcp",
        "/v1/coord/nodes/",
        "/favicon.ico",
        "/.env",
    ],
)
def test_no_route_is_a_404(client: httpx2.Client, path: str) -> None:
    error = assert_refused(client.get(path), "route_not_found")
    assert len(error["message"]) < 400


@pytest.mark.parametrize("path", [path for path in _PATHS if not path.endswith("/")])
def test_a_trailing_slash_is_a_404_and_no_redirect(client: httpx2.Client, path: str) -> None:
    method = "GET" if "GET" in _METHODS[path] else "POST"
    assert_refused(client.request(method, f"{path}/", follow_redirects=False), "route_not_found")


@pytest.mark.parametrize("path", _PATHS)
def test_an_unknown_query_parameter_is_a_422(client: httpx2.Client, path: str) -> None:
    method = "GET" if "GET" in _METHODS[path] else "POST"
    error = assert_refused(client.request(method, path, params={"unknwon": "1"}), "invalid_parameter")
    assert "unknwon" in error["message"]


def test_an_unknown_agent_is_a_404(client: httpx2.Client) -> None:
    for method, path in (
        ("GET", "/v1/agents/quikc"),
        ("POST", "/v1/coord/queues/quikc/pause"),
        ("POST", "/v1/coord/queues/quikc/resume"),
    ):
        assert (
            "did you mean 'quick'" in assert_refused(client.request(method, path), "unknown_agent")["message"]
        )


# -- request ids ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_id", ["a", "A-z_0.9", "x" * 128])
def test_a_good_request_id_is_echoed(client: httpx2.Client, request_id: str) -> None:
    for path in ("/health/live", "/nothing", "/v1/jobs"):
        assert client.get(path, headers={"X-Request-ID": request_id}).headers["x-request-id"] == request_id


@pytest.mark.parametrize(
    "request_id", [b"", b"x" * 129, b"a b", b"a,b", b"\xc3\xa9", b"a;b", b'"a"', b"<script>", b"a/b", b"a\tb"]
)
def test_a_bad_request_id_is_replaced(client: httpx2.Client, request_id: bytes) -> None:
    headers = [(b"X-Request-ID", request_id)]
    answer = client.get("/nothing", headers=headers)
    made = answer.headers["x-request-id"]
    assert made.encode() != request_id
    assert 1 <= len(made) <= 128
    assert_error_document(answer.json(), made)
    assert client.get("/nothing").headers["x-request-id"] != made


# -- hosts and origins --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "evil.example:8700", "", ".", "[::1", "::1]",
        "127.0.0.1@evil.example", "2130706433", "0x7f.1", "0177.0.0.1", "0.0.0.0", "[::]", "10.0.0.1",
        "localhost:80:80", "localhost:x", "localhost,evil.example", "localhost evil.example", "a" * 1000,
    ],
)  # fmt: skip
def test_a_foreign_host_is_refused(busy_server: ServerProcess, host: str) -> None:
    url = busy_server.url
    for method, path in (("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("GET", "/nothing"), ("GET", "/ui/")):
        answer = exchange(
            url, f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n\r\n".encode()
        )
        assert answer.status == 403, (path, answer.body)
        error = assert_error_document(answer.json, answer.headers["x-request-id"])
        assert error["code"] == "host_not_allowed"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "127.0.0.1", "127.0.0.1:1", "127.1.2.3", "[::1]", "[::1]:8700"]
)
def test_a_host_of_this_machine_is_let_in(busy_server: ServerProcess, host: str) -> None:
    answer = exchange(busy_server.url, f"GET /v1/agents HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert answer.status == 200


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.example", "https://127.0.0.1.evil.example", "null", "file://", "", "http://localhost:1",
        "chrome-extension://abc", "http://{host}@evil.example", "http://evil.example#{host}", "//{host}",
        "javascript://{host}",
    ],
)  # fmt: skip
def test_a_foreign_origin_is_refused(busy_server: ServerProcess, origin: str) -> None:
    url = busy_server.url
    host = url.removeprefix("http://")
    for method in ("GET", "POST", "OPTIONS"):
        given = f"Origin: {origin.format(host=host)}"
        answer = exchange(url, head(method, "/v1/jobs", url, given, "Content-Length: 0"))
        assert answer.status == 403, (method, answer.body)
        assert answer.json["error"]["code"] == "host_not_allowed"
        assert "access-control-allow-origin" not in answer.headers


def test_the_own_origin_is_let_in(busy_server: ServerProcess) -> None:
    url = busy_server.url
    assert exchange(url, head("GET", "/v1/jobs", url, f"Origin: {url}")).status == 200


def test_no_host_and_two_hosts_are_refused(busy_server: ServerProcess) -> None:
    for lines in ("", "Host: localhost\r\nHost: localhost\r\n", "Host: localhost\r\nHost: evil.example\r\n"):
        answer = exchange(busy_server.url, f"GET /v1/jobs HTTP/1.1\r\n{lines}\r\n".encode())
        assert 400 <= answer.status < 500
        assert_error_document(answer.json, answer.headers["x-request-id"])


def test_forwarded_headers_are_not_believed(busy_server: ServerProcess) -> None:
    url = busy_server.url
    answer = exchange(
        url,
        head(
            "GET",
            "/v1/jobs",
            url,
            "X-Forwarded-Host: evil.example",
            "X-Forwarded-For: 1.2.3.4",
            "Forwarded: host=x",
        ),
    )
    assert answer.status == 200


# -- bytes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"\x00\x01\x02\x03\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,
        b"GET\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"G@T / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"BREW /coffee HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nBad Header: x\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n Folded: x\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http:// HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://:x@/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n"
        + b"".join(b"X%d: y\r\n" % n for n in range(20_000))
        + b"\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ],
    ids=lambda data: repr(data[:60]),
)
def test_bytes_that_are_no_good_request_are_a_4xx(busy_server: ServerProcess, data: bytes) -> None:
    try:
        answer = exchange(busy_server.url, data)
    except ConnectionError:
        # What is longer than is read may lose its answer: the connection is reset with bytes unread.
        assert len(data) > 60_000
    else:
        assert 400 <= answer.status < 500, answer.body
        assert_error_document(answer.json, answer.headers["x-request-id"])
    assert exchange(busy_server.url, head("GET", "/health/live", busy_server.url)).status == 200


@pytest.mark.parametrize(
    "chunk", [b"zz\r\n{}\r\n0\r\n\r\n", b"-1\r\n", b"fffffffffffffffff\r\n", b"2\r\n{}XX0\r\n\r\n"]
)
def test_bad_chunks_are_a_4xx(busy_server: ServerProcess, chunk: bytes) -> None:
    url = busy_server.url
    request = head("POST", "/v1/jobs", url, "Transfer-Encoding: chunked", "Content-Type: application/json")
    try:
        answer = exchange(url, request + chunk)
    except http.client.RemoteDisconnected:
        pytest.fail("the connection was closed without an answer")
    assert 400 <= answer.status < 500
    assert_error_document(answer.json, answer.headers["x-request-id"])


def test_garbage_behind_a_request_is_answered_after_it(busy_server: ServerProcess) -> None:
    url = busy_server.url
    with connection(url) as sock:
        sock.sendall(head("GET", "/health/live", url) + b"\x00garbage\r\n\r\n")
        answers = _read_all(sock)
    assert answers.count(b"HTTP/1.1 ") in (1, 2)
    assert answers.startswith(b"HTTP/1.1 200 ")
    assert answers.count(b"HTTP/1.1 4") == answers.count(b"HTTP/1.1 ") - 1


def test_pipelined_requests_are_answered_in_order(busy_server: ServerProcess) -> None:
    url = busy_server.url
    with connection(url) as sock:
        ids = [f"pipelined-{number}" for number in range(20)]
        sock.sendall(b"".join(head("GET", "/v1/agents", url, f"X-Request-ID: {name}") for name in ids))
        # One reader for all: a buffered reader of one answer would swallow the next.
        received = b""
        while received.count(b"x-request-id: ") < len(ids):
            received += sock.recv(65536)
    found = [
        line.partition(b": ")[2].decode()
        for line in received.split(b"\r\n")
        if line.startswith(b"x-request-id")
    ]
    assert found == ids


def test_a_websocket_upgrade_is_a_4xx(busy_server: ServerProcess) -> None:
    url = busy_server.url
    lines = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: x", "Sec-WebSocket-Version: 13")
    answer = exchange(url, head("GET", "/v1/nothing", url, *lines))
    assert 400 <= answer.status < 500
    assert_error_document(answer.json, answer.headers["x-request-id"])


def test_http_1_0_is_answered(busy_server: ServerProcess) -> None:
    answer = exchange(busy_server.url, b"GET /health/live HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert answer.status == 200


def test_expect_100_continue_is_answered_and_then_the_request(busy_server: ServerProcess) -> None:
    url = busy_server.url
    body = json.dumps({"agent": "quick", "input": "x"}).encode()
    with connection(url) as sock:
        lines = ("Expect: 100-continue", f"Content-Length: {len(body)}", "Content-Type: application/json")
        sock.sendall(head("POST", "/v1/jobs", url, *lines))
        assert sock.recv(4096).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert read_answer(sock, "POST").status == 202


# -- slow peers: `receive_timeout_seconds` is 1 on this server --------------------------------------------------


def test_a_body_that_does_not_arrive_is_a_408(busy_server: ServerProcess) -> None:
    url = busy_server.url
    with connection(url) as sock:
        sock.sendall(
            head("POST", "/v1/jobs", url, "Content-Length: 100", "Content-Type: application/json") + b'{"a'
        )
        answer = read_answer(sock, "POST")
        assert answer.status == 408
        assert assert_error_document(answer.json, answer.headers["x-request-id"])["code"] == "receive_timeout"
        assert sock.recv(1) == b""


def test_a_chunked_body_that_drips_is_a_408(busy_server: ServerProcess) -> None:
    url = busy_server.url
    lines = ("Transfer-Encoding: chunked", "Content-Type: application/json")
    with connection(url) as sock:
        sock.sendall(head("POST", "/v1/jobs", url, *lines) + b"1\r\n{\r\n")
        answer = read_answer(sock, "POST")
    assert answer.status == 408


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ", b"\r\n\r\n"])
def test_headers_that_do_not_arrive_are_cut(busy_server: ServerProcess, sent: bytes) -> None:
    with connection(busy_server.url) as sock:
        sock.sendall(sent)
        assert _read_all(sock) == b""


def test_a_connection_that_is_done_or_whose_body_never_comes_is_closed(busy_server: ServerProcess) -> None:
    url = busy_server.url
    requests = (
        head("GET", "/health/live", url),
        head("POST", "/v1/events/tickets", url, "Content-Length: 100000"),
        head("POST", "/v1/coord/queues/quick/resume", url, "Content-Length: 100000"),
    )
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connection(url)) for _ in requests]
        for sock, request in zip(socks, requests, strict=True):
            sock.sendall(request)
        for sock in socks:
            assert _read_all(sock).startswith(b"HTTP/1.1 2")


def _read_all(sock: socket.socket) -> bytes:
    """Read until the server closes; the socket's deadline says when it should have."""
    received = b""
    try:
        while data := sock.recv(65536):
            received += data
    except ConnectionResetError:
        pass
    return received
