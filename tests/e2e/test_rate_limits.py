"""Rate limits: what is counted, for whom, and that no disguise helps."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.support.envelope import assert_refused
from tests.support.polling import until
from tests.support.raw_http import RawAnswer, connection, exchange, head, read_answer
from tests.support.redis_server import running_redis
from tests.support.server import ServerProcess, running_server
from tests.support.tokens import SECRET, Forge, bearer

_JOB = {"agent": "offline", "input": "x"}
_JOB_ID = "019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a"
_JWT: dict[str, Any] = {"auth": {"mode": "jwt"}}
_ENVIRON = {"AIRBOSS_JWT_SECRET": SECRET}


@pytest.fixture(scope="module")
def spent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server on which this machine has used up both of its rates, for an hour."""
    settings = {"limits": {"spawn_rate": "3/hour", "read_rate": "4/hour"}}
    with running_server(tmp_path_factory.mktemp("spent"), settings) as server:
        with server.client() as client:
            for left in (3, 2, 1, 0):
                answer = client.get("/v1/jobs")
                assert answer.status_code == 200
                assert answer.headers["ratelimit-limit"] == "4"
                assert answer.headers["ratelimit-remaining"] == str(left)
                assert 3590 <= int(answer.headers["ratelimit-reset"]) <= 3600
            for _ in range(3):
                client.post("/v1/jobs", json=_JOB).raise_for_status()
        yield server


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/jobs"), ("POST", "/v1/jobs")])
def test_who_is_too_fast_gets_a_429_that_says_when(spent: ServerProcess, method: str, path: str) -> None:
    with spent.client() as client:
        answer = client.request(method, path, json=_JOB if method == "POST" else None)
    error = assert_refused(answer, "rate_limited")
    assert error["type"] == "rate_limit"
    assert error["details"] == {
        "limit": 3 if method == "POST" else 4,
        "kind": "spawn" if method == "POST" else "read",
    }
    assert answer.headers["ratelimit-remaining"] == "0"
    assert answer.headers["ratelimit-reset"] == answer.headers["retry-after"]
    assert 1 <= int(answer.headers["retry-after"]) <= 3600


_SPOOFS = (
    "X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 203.0.113.9, 198.51.100.1", "X-Forwarded-For: 127.0.0.1",
    "X-Forwarded-For: 2001:db8::1", "X_Forwarded_For: 203.0.113.9", "X-Real-IP: 203.0.113.9",
    "Forwarded: for=203.0.113.9", 'Forwarded: for="[2001:db8::1]"', "True-Client-IP: 203.0.113.9",
    "CF-Connecting-IP: 203.0.113.9", "X-Client-IP: 203.0.113.9", "X-Cluster-Client-IP: 203.0.113.9",
    "X-Originating-IP: 203.0.113.9", "X-Remote-IP: 203.0.113.9", "X-Remote-Addr: 203.0.113.9",
    "Fastly-Client-IP: 203.0.113.9", "X-Forwarded: 203.0.113.9", "Via: 1.1 203.0.113.9", "Client-IP: 203.0.113.9",
    "Authorization: Bearer somebody.else.now", "Authorization: Basic YTpi", "Cookie: session=another",
    "User-Agent: another", "X-Request-ID: another", "X-HTTP-Method-Override: OPTIONS", "X-Original-URL: /health/live",
    "X-Rewrite-URL: /health/live", "X-Tenant: another", "X-Api-Key: another", "Idempotency-Key: another",
    "Connection: close", "Accept-Encoding: gzip", "Range: bytes=0-1", "Expect: nothing", "Content-Length: 0",
)  # fmt: skip
_LINES = (
    "GET /v1/jobs?limit=1 HTTP/1.1", "GET /v1/jobs? HTTP/1.1", "GET /v1/jobs?limit=1#x HTTP/1.1",
    "GET /%76%31/%6A%6f%62%73 HTTP/1.1", "GET /v1%2fjobs HTTP/1.1", "GET /v1/jobs HTTP/1.0",
    "HEAD /v1/jobs HTTP/1.1", "HEAD /v1/jobs HTTP/1.0", "GET http://{host}/v1/jobs HTTP/1.1",
    "GET http://203.0.113.9/v1/jobs HTTP/1.1", "GET /v1/agents HTTP/1.1", "GET /v1/agents/offline HTTP/1.1",
    f"GET /v1/jobs/{_JOB_ID} HTTP/1.1", f"GET /v1/jobs/{_JOB_ID}/wait HTTP/1.1", "GET /v1/jobs/1 HTTP/1.1",
    "GET /v1/events HTTP/1.1", f"GET /v1/jobs/{_JOB_ID}/events HTTP/1.1", "GET /v1/providers HTTP/1.1",
    "GET /v1/coord/queues HTTP/1.1", "GET /v1/coord/nodes HTTP/1.1", "POST /v1/events/tickets HTTP/1.1",
    "GET /v1/jobs?unknown=1 HTTP/1.1", "POST /v1/jobs HTTP/1.0", f"POST /v1/jobs/{_JOB_ID}/retry HTTP/1.1",
    "POST /v1/jobs?x=1 HTTP/1.1", "POST /v1/%6aobs HTTP/1.1",
)  # fmt: skip


@pytest.mark.parametrize("spoof", _SPOOFS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_header_is_another_caller(spent: ServerProcess, method: str, spoof: str) -> None:
    answer = exchange(spent.url, head(method, "/v1/jobs", spent.url, spoof))
    assert answer.status == 429, answer.body
    assert answer.json["error"]["code"] == "rate_limited"


@pytest.mark.parametrize("line", _LINES)
def test_no_spelling_of_a_request_goes_by(spent: ServerProcess, line: str) -> None:
    host = urlsplit(spent.url).netloc
    answer = exchange(
        spent.url, f"{line.format(host=host)}\r\nHost: {host}\r\n\r\n".encode(), line.partition(" ")[0]
    )
    assert answer.status == 429, answer.body


@pytest.mark.parametrize(
    "path", ["/v1/jobs/", "//v1/jobs", "/v1//jobs", "/V1/JOBS", "/v1/./jobs", "/v1/x/../jobs"]
)
def test_other_paths_are_no_routes_at_all(spent: ServerProcess, path: str) -> None:
    for method in ("GET", "POST"):
        assert exchange(spent.url, head(method, path, spent.url)).status == 404


@pytest.mark.parametrize("source", ["127.0.0.2", "127.255.255.254"])
def test_another_address_of_this_machine_is_no_other_caller(spent: ServerProcess, source: str) -> None:
    parts = urlsplit(spent.url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), 10, (source, 0)) as sock:
        sock.sendall(head("GET", "/v1/jobs", spent.url))
        assert read_answer(sock).status == 429


def test_it_is_refused_before_its_body_is_read(spent: ServerProcess) -> None:
    lines = ("Content-Type: application/json", "Content-Length: 1000000")
    with connection(spent.url) as sock:
        sock.sendall(head("POST", "/v1/jobs", spent.url, *lines))
        assert read_answer(sock, "POST").status == 429


def test_what_is_open_and_a_cancel_are_never_counted(spent: ServerProcess) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/", "/openapi.json", "/ui/", "/docs"):
        answer = exchange(spent.url, head("GET", path, spent.url))
        assert answer.status == 200
        assert "ratelimit-limit" not in answer.headers
    # Nobody should pay for a model call because they asked for too much before.
    cancelled = exchange(spent.url, head("POST", f"/v1/jobs/{_JOB_ID}/cancel", spent.url))
    assert cancelled.status == 404


def test_a_stream_is_counted_when_it_is_opened(tmp_path: Path) -> None:
    with (
        running_server(tmp_path, {"limits": {"read_rate": "2/hour"}}) as server,
        contextlib.ExitStack() as open_,
    ):
        answers: list[RawAnswer | int] = []
        for _ in range(3):
            sock = open_.enter_context(connection(server.url))
            sock.sendall(head("GET", "/v1/events", server.url))
            answers.append(int(sock.recv(12)[9:]))
        assert answers == [200, 200, 429]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    settings = _JWT | {"limits": {"spawn_rate": "2/hour"}}
    with running_server(tmp_path_factory.mktemp("guarded"), settings, _ENVIRON) as server:
        yield server


def _spawn(server: ServerProcess, **claims: Any) -> httpx2.Response:
    with server.client() as client:
        return client.post("/v1/jobs", json=_JOB, headers=bearer(Forge().token(**claims)))


def test_a_token_is_counted_by_tenant_and_subject(guarded: ServerProcess) -> None:
    for _ in range(2):
        assert _spawn(guarded, sub="ann").status_code == 202
    # A new token of the same person, with another role, id and moment, is the same caller.
    for claims in ({}, {"roles": ["run"]}, {"jti": "another"}, {"tenant": "default"}):
        assert _spawn(guarded, sub="ann", **claims).status_code == 429
    for claims in ({"sub": "bob"}, {"sub": "ann", "tenant": "south"}):
        assert _spawn(guarded, **claims).status_code == 202


def test_with_tokens_there_are_rates_that_nobody_set(guarded: ServerProcess) -> None:
    with guarded.client() as client:
        answer = client.get("/v1/agents", headers=bearer(Forge().token(sub="cid")))
        assert answer.headers["ratelimit-limit"] == "6000"
        # Authentication comes first: a stranger uses up nobody's rate.
        refused = client.get("/v1/agents")
        assert (refused.status_code, "ratelimit-limit" in refused.headers) == (401, False)


def test_a_refused_role_counts_too(guarded: ServerProcess) -> None:
    claims = {"sub": "dan", "roles": ["read"]}
    assert [_spawn(guarded, **claims).status_code for _ in range(3)] == [403, 403, 429]


def test_without_tokens_nobody_is_counted_who_did_not_ask_for_it(shared_server: ServerProcess) -> None:
    with shared_server.client() as client:
        assert "ratelimit-limit" not in client.get("/v1/agents").headers


def test_only_a_named_proxy_says_who_calls(tmp_path: Path) -> None:
    settings = {"limits": {"read_rate": "1/hour"}, "server": {"forwarded_allow_ips": ["127.0.0.1"]}}
    with running_server(tmp_path, settings) as server:

        def status(forwarded: str) -> int:
            given = f"X-Forwarded-For: {forwarded}"
            return exchange(server.url, head("GET", "/v1/agents", server.url, given)).status

        assert [status("203.0.113.9"), status("203.0.113.9"), status("203.0.113.10")] == [200, 429, 200]
        # What stands before the address that the proxy saw was written by the caller.
        assert status("198.51.100.1, 203.0.113.9") == 429
        assert [status("2001:db8::1"), status("2001:db8::2"), status("::ffff:203.0.113.10")] == [
            200,
            429,
            429,
        ]


# -- one Redis for several nodes ------------------------------------------------------------------------------


def _sharing(**limits: str) -> dict[str, Any]:
    return {"limits": {"read_rate": "6/hour", "store_url": "secret://env/RATES_URL", **limits}}


def _read(server: ServerProcess) -> httpx2.Response:
    with server.client() as client:
        return client.get("/v1/agents")


def test_two_nodes_count_together(tmp_path: Path) -> None:
    with (
        running_redis(tmp_path / "redis") as redis,
        running_server(tmp_path / "one", _sharing(), {"RATES_URL": redis.url}) as one,
        running_server(tmp_path / "two", _sharing(), {"RATES_URL": redis.url}) as two,
    ):
        left = [_read(node).headers["ratelimit-remaining"] for node in (one, two, one, two, one, two)]
        assert left == ["5", "4", "3", "2", "1", "0"]
        for node in (one, two):
            answer = _read(node)
            assert_refused(answer, "rate_limited")
            assert 3590 <= int(answer.headers["retry-after"]) <= 3600
        for node in (one, two):
            assert redis.password not in node.log


def test_without_redis_each_node_counts_on_its_own_and_says_so_once(tmp_path: Path) -> None:
    with (
        running_redis(tmp_path / "redis") as redis,
        running_server(tmp_path / "node", _sharing(), {"RATES_URL": redis.url}) as node,
    ):
        assert _read(node).headers["ratelimit-remaining"] == "5"
        redis.freeze()
        assert [_read(node).headers["ratelimit-remaining"] for _ in range(3)] == ["5", "4", "3"]
        redis.stop()
        assert [_read(node).headers["ratelimit-remaining"] for _ in range(3)] == ["2", "1", "0"]
        assert_refused(_read(node), "rate_limited")
        assert node.log.count("rates.store_lost") == 1
        redis.start()
        until(lambda: _read(node).status_code == 200, "Redis counts again")
        assert node.log.count("rates.store_back") == 1
        with node.client() as client:
            assert "airboss_rate_store_outages_total 1.0" in client.get("/metrics").text
        assert redis.password not in node.log


def test_a_store_that_fails_closed_refuses(tmp_path: Path) -> None:
    with running_redis(tmp_path / "redis") as redis:
        settings, environ = _sharing(store_failure="closed"), {"RATES_URL": redis.url}
        with running_server(tmp_path / "node", settings, environ) as node:
            assert _read(node).status_code == 200
            redis.stop()
            answer = _read(node)
            assert_refused(answer, "storage_unavailable")
            assert answer.headers["retry-after"] == "1"
            redis.start()
            until(lambda: _read(node).status_code == 200, "Redis counts again")
