"""The headers that the OpenAPI document names are those that answers carry."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from tests.support.auth_servers import client_as, client_of, jwt_server
from tests.support.server import ServerProcess

#: What the contract promises; of other headers the document need not speak.
TOLD = {
    "location", "idempotent-replayed", "preference-applied", "retry-after", "www-authenticate", "x-request-id",
    "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset",
}  # fmt: skip
RATES = {"ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"}
SPAWNS_A_MINUTE = 30
JOB = "/v1/jobs/{job_id}"
SERVER = {"endpoint_url": "https://mcp.example.com/mcp"}
Answers = list[tuple[str, str, httpx2.Response]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    settings = {
        "limits": {"queue_capacity": 2, "spawn_rate": f"{SPAWNS_A_MINUTE}/minute"},
        "server": {"max_subscribers_per_caller": 1},
    }
    with jwt_server(tmp_path_factory.mktemp("headers"), settings=settings) as running:
        yield running


@pytest.fixture(scope="module")
def document(server: ServerProcess) -> dict[str, Any]:
    with server.client() as client:
        found: dict[str, Any] = client.get("/openapi.json").json()
    return found


@pytest.fixture(scope="module")
def answers(server: ServerProcess) -> Answers:
    with client_of(server, None) as stranger, client_as(server, "read") as reader:
        found: Answers = [
            ("get", "/", stranger.get("/")),
            ("get", "/health/live", stranger.get("/health/live")),
            ("get", "/v1/jobs", stranger.get("/v1/jobs")),
            ("post", "/v1/jobs", stranger.post("/v1/jobs", json={})),
            ("post", "/v1/jobs", reader.post("/v1/jobs", json={})),
            ("get", "/v1/jobs", reader.get("/v1/jobs")),
            ("get", "/v1/jobs", reader.get("/v1/jobs", params={"limit": 0})),
            ("get", JOB, reader.get("/v1/jobs/nope")),
            ("get", "/v1/agents", reader.get("/v1/agents")),
        ]
    with client_as(server, "admin") as admin:
        return [*found, *_of_jobs(admin), *_of_streams(admin), *_of_servers(admin), *_too_fast(admin)]


def _of_jobs(admin: httpx2.Client) -> Answers:
    body = {"agent": "quick", "input": "x"}
    ended = admin.post("/v1/jobs", json=body, headers={"Prefer": "wait=60", "Idempotency-Key": "k"})
    assert ended.status_code == 200, ended.text
    again = admin.post("/v1/jobs", json=body, headers={"Idempotency-Key": "k"})
    other = admin.post("/v1/jobs", json=body | {"input": "y"}, headers={"Idempotency-Key": "k"})
    admin.post("/v1/coord/queues/idle/pause").raise_for_status()
    pending = [admin.post("/v1/jobs", json={"agent": "idle", "input": "x"}) for _ in range(3)]
    assert [each.status_code for each in pending] == [202, 202, 429]
    retry, cancel = f"{JOB}/retry", f"{JOB}/cancel"
    links = pending[0].json()["links"]
    return [
        *(("post", "/v1/jobs", answer) for answer in (ended, again, other, *pending)),
        ("post", retry, admin.post(f"{links['self']}/retry")),
        ("post", cancel, admin.post(links["cancel"])),
        ("post", cancel, admin.post(links["cancel"])),
        ("post", retry, admin.post(f"{links['self']}/retry")),
        ("get", f"{JOB}/wait", admin.get(f"{ended.json()['links']['self']}/wait")),
    ]


def _of_streams(admin: httpx2.Client) -> Answers:
    with admin.stream("GET", "/v1/events") as first:
        second = admin.get("/v1/events")
        assert second.status_code == 429
        return [("get", "/v1/events", first), ("get", "/v1/events", second)]


def _of_servers(admin: httpx2.Client) -> Answers:
    path = "/v1/mcp/servers"
    body = {"name": "example", "json_spec": SERVER}
    return [
        ("post", path, admin.post(path, json=body)),
        ("post", path, admin.post(path, json=body)),
        ("delete", f"{path}/{{name}}", admin.delete(f"{path}/example")),
    ]


def _too_fast(admin: httpx2.Client) -> Answers:
    for _ in range(SPAWNS_A_MINUTE + 1):
        answer = admin.post("/v1/jobs", json={})
        if answer.status_code == 429:
            return [("post", "/v1/jobs", answer)]
    raise AssertionError("nobody is too fast")


def _told(document: Mapping[str, Any], method: str, path: str, status: int) -> dict[str, dict[str, Any]]:
    """Return the headers that the document names for an answer, by their names in small letters."""
    named = document["paths"][path][method]["responses"][str(status)].get("headers", {})
    components = document["components"].get("headers", {})
    return {name.lower(): components[header["$ref"].rpartition("/")[2]] for name, header in named.items()}


def test_what_is_sent_is_told(answers: Answers, document: dict[str, Any]) -> None:
    for method, path, answer in answers:
        told = set(_told(document, method, path, answer.status_code))
        assert TOLD & set(answer.headers) <= told, (method, path, answer.status_code)


def test_what_is_told_as_always_there_is_sent(answers: Answers, document: dict[str, Any]) -> None:
    for method, path, answer in answers:
        for name, header in _told(document, method, path, answer.status_code).items():
            place = (method, path, answer.status_code, name)
            assert name in answer.headers or not header.get("required"), place
            if name in answer.headers:
                sent = answer.headers[name]
                value = int(sent) if header["schema"]["type"] == "integer" else sent
                Draft202012Validator(header["schema"]).validate(value)


def test_every_header_of_the_contract_was_seen(answers: Answers) -> None:
    assert {name for _, _, answer in answers for name in answer.headers} >= TOLD


def test_headers_stand_where_the_contract_has_them(document: dict[str, Any]) -> None:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            for status, answer in operation["responses"].items():
                told = _told(document, method, path, int(status))
                place = (method, path, status)
                assert "x-request-id" in told, place
                assert ("www-authenticate" in told) is (status == "401"), place
                assert "retry-after" in told or status != "429", place
                counts = operation["x-airboss-rule"] != "open" and not path.endswith("/cancel")
                assert (set(told) >= RATES) is (counts and status != "401"), place
                assert answer["description"], place
    spawned = document["paths"]["/v1/jobs"]["post"]["responses"]
    for status in ("200", "202"):
        named = {"location", "idempotent-replayed", "preference-applied"}
        assert set(_told(document, "post", "/v1/jobs", int(status))) >= named
        assert "headers" in spawned[status]
