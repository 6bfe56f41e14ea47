"""What a 422 says: in words for someone who reads no source, and with what to do."""

import re
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import run
from tests.support.envelope import assert_refused

from airboss.domain.event_types import EventType

#: Words of the library behind, which speaks of its own inputs.
_NOT_OURS = re.compile(
    r"Input should|Field required|Extra inputs|String should|Value error|valid (dict|int|str)"
)
_JOB = {"agent": "quick", "input": "x"}
_JOB_FIELDS = "agent, input, timeout_seconds, priority, max_queue_wait_seconds, run_at, metadata"
_SERVER = {"name": "x", "json_spec": {"endpoint_url": "https://x.example/mcp"}}
_STATES = "'pending', 'running', 'waiting', 'completed', 'failed', 'cancelled' or 'timed_out'"
_MOMENT = "must be an RFC 3339 moment, like 2026-11-22T06:00:00Z"


def told(answer: httpx2.Response, code: str) -> str:
    error = assert_refused(answer, code)
    said = [error["message"], *(problem["message"] for problem in error["details"].get("problems", []))]
    assert not [text for text in said if _NOT_OURS.search(text)], said
    return str(error["message"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "agent: is missing; input: is missing"),
        ([], "body: must be a JSON object"),
        ("x", "body: must be a JSON object"),
        ({"agent": 5, "input": "x"}, "agent: must be text"),
        ({"agent": "", "input": "x"}, "agent: must not be empty"),
        ({"agent": "x" * 65, "input": "x"}, "agent: must be at most 64 characters long"),
        (_JOB | {"input": None}, "input: must be text or JSON, not null"),
        (_JOB | {"priority": 10}, "priority: must be 9 or less"),
        (_JOB | {"priority": -1}, "priority: must be 0 or more"),
        (_JOB | {"priority": "high"}, "priority: must be a whole number"),
        (_JOB | {"priority": 1.5}, "priority: must be a whole number"),
        (_JOB | {"priority": True}, "priority: must be a whole number"),
        (_JOB | {"timeout_seconds": 0}, "timeout_seconds: must be greater than 0"),
        (_JOB | {"timeout_seconds": "5"}, "timeout_seconds: must be a number"),
        (_JOB | {"timeout_seconds": 10**12}, "timeout_seconds: must be 31622400 or less"),
        (_JOB | {"max_queue_wait_seconds": []}, "max_queue_wait_seconds: must be a number"),
        (_JOB | {"run_at": "tomorrow"}, f"run_at: {_MOMENT}"),
        (
            _JOB | {"run_at": "2026-13-01T00:00:00Z"},
            "run_at: is no moment that there is (month value is outside expected range of 1-12)",
        ),
        (_JOB | {"metadata": []}, "metadata: must be a JSON object"),
        (_JOB | {"timeout": 5}, "timeout: is not known here; did you mean 'timeout_seconds'?"),
        (_JOB | {"foo": 5}, f"foo: is not known here; there are: {_JOB_FIELDS}"),
        (
            {"agent": "quick", "inptu": "x"},
            "input: is missing; inptu: is not known here; did you mean 'input'?",
        ),
    ],
)
def test_of_a_body_of_a_job(client: httpx2.Client, body: Any, message: str) -> None:
    assert told(client.post("/v1/jobs", json=body), "invalid_body") == message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "name: is missing; json_spec: is missing"),
        ([], "body: must be a JSON object"),
        (_SERVER | {"name": 5}, "name: must be text"),
        (_SERVER | {"enabled": True}, "enabled: is not known here; there are: name, json_spec"),
        (
            {"name": "x", "spec": {}},
            "json_spec: is missing; spec: is not known here; did you mean 'json_spec'?",
        ),
        (_SERVER | {"json_spec": "x"}, "json_spec: must be a mapping"),
    ],
)
def test_of_a_body_of_a_server(client: httpx2.Client, body: Any, message: str) -> None:
    assert told(client.post("/v1/mcp/servers", json=body), "invalid_body") == message


def test_of_a_body_that_is_empty(client: httpx2.Client) -> None:
    for path in ("/v1/jobs", "/v1/mcp/servers", "/v1/mcp/servers/check"):
        answer = client.post(path, content=b"", headers={"Content-Type": "application/json"})
        assert told(answer, "invalid_body") == "body: is missing; send a JSON object"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("/v1/jobs?limit=0", "limit: must be 1 or more"),
        ("/v1/jobs?limit=201", "limit: must be 200 or less"),
        ("/v1/jobs?limit=many", "limit: must be a whole number"),
        ("/v1/jobs?limit=", "limit: must be a whole number"),
        ("/v1/jobs?limit=1.5", "limit: must be a whole number"),
        ("/v1/jobs?limit=1&limit=2", "limit: may be given once only"),
        ("/v1/jobs?state=done", f"state: must be {_STATES}"),
        ("/v1/jobs?state=failed&state=", f"state: must be {_STATES}"),
        (f"/v1/jobs?agent={'x' * 65}", "agent: must be at most 64 characters long"),
        ("/v1/jobs?created_after=yesterday", f"created_after: {_MOMENT}"),
        ("/v1/jobs?cursor=x", "cursor: take it as it stood in next_cursor, for the same list"),
        (
            "/v1/jobs?page=2",
            "unknown query parameter 'page'; known here: agent, created_after, created_before, cursor, limit, state",
        ),
        ("/v1/events?after=x", "after: must be a whole number"),
        ("/v1/events?after=-1", "after: must be 0 or more"),
        (
            "/v1/events?types=job.strated",
            "types: there is no event type 'job.strated'; did you mean 'job.started'?",
        ),
        ("/v1/events?types=foo", "types: there is no event type 'foo'; there are: " + ", ".join(EventType)),
        ("/v1/audit?action=foo&limit=0", None),
        ("/v1/audit?target_kind=foo", None),
    ],
)
def test_of_query_parameters(client: httpx2.Client, query: str, message: str | None) -> None:
    said = told(client.get(query), "invalid_parameter")
    assert message is None or said == message


@pytest.mark.parametrize(
    ("seconds", "message"),
    [
        ("61", "must be 60 or less"),
        ("-1", "must be 0 or more"),
        ("soon", "must be a number"),
        ("nan", "must be a finite number"),
    ],
)
def test_of_the_seconds_to_wait(client: httpx2.Client, seconds: str, message: str) -> None:
    path = run(client, "quick")["links"]["self"]
    answer = client.get(f"{path}/wait", params={"timeout_seconds": seconds})
    assert told(answer, "invalid_parameter") == f"timeout_seconds: {message}"


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"{", "application/json"),
        (b'{"a": 1}', "application/json"),
        (b"a=1", "application/x-www-form-urlencoded"),
        (b"\xff", "text/plain"),
    ],
)
def test_a_body_where_none_is_taken_is_passed_over(
    client: httpx2.Client, content: bytes, content_type: str
) -> None:
    headers = {"Content-Type": content_type}
    job = client.post("/v1/jobs", json={"agent": "idle", "input": "x"}).json()
    for method, path, status in (
        ("GET", job["links"]["self"], 200),
        ("POST", job["links"]["cancel"], 200),
        ("POST", f"{job['links']['self']}/retry", 202),
        ("POST", "/v1/events/tickets", 201),
        ("POST", "/v1/coord/queues/idle/pause", 200),
        ("DELETE", "/v1/mcp/servers/none", 404),
    ):
        answer = client.request(method, path, content=content, headers=headers)
        assert answer.status_code == status, (method, path, answer.text)
