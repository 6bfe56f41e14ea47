"""The job routes of the contract: their answers, and every field of a job."""

import re
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import ended, event_types, run, spawn
from tests.support.envelope import assert_refused
from tests.support.fake_provider import ANSWER, USAGE, FakeProvider

_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_COMMON = {
    "id": str,
    "agent": str,
    "agent_revision": str,
    "state": str,
    "error": (dict, type(None)),
    "attempt": int,
    "max_attempts": int,
    "priority": int,
    "queue_position": (int, type(None)),
    "run_at": (str, type(None)),
    "max_queue_wait_seconds": (int, float, type(None)),
    "created_at": str,
    "started_at": (str, type(None)),
    "finished_at": (str, type(None)),
    "timeout_seconds": (int, float),
    "cancel_requested_at": (str, type(None)),
    "usage": dict,
    "answered_by": (dict, type(None)),
    "tenant": str,
    "owner": str,
    "correlation_id": str,
    "metadata": dict,
    "retry_of": (str, type(None)),
    "links": dict,
}
_JOB = {**_COMMON, "input": object, "output": object}
_SUMMARY = {**_COMMON, "input_preview": str}
_MISSING = "019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a"
_STRANGE_IDS = (
    "x",
    "019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6",
    "019A6F3E-7C1A-7000-8A3B-1F0C5D2E4B6A",
    "{019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a}",
    "019a6f3e7c1a70008a3b1f0c5d2e4b6a",
    "%00",
    "%F0%9F%92%A9",
    "%ED%A0%80",
    "%FF",
    "..%2f..",
    "'%20OR%201=1",
    "a" * 3000,
)
_ROUTES = (
    ("GET", ""),
    ("GET", "/wait"),
    ("GET", "/events"),
    ("POST", "/cancel"),
    ("POST", "/retry"),
)


def _assert_fields(job: dict[str, Any], fields: dict[str, Any]) -> None:
    assert set(job) == set(fields)
    for name, kind in fields.items():
        assert isinstance(job[name], kind), (name, job[name])
        assert kind is object or not isinstance(job[name], bool), name
    for name in ("created_at", "started_at", "finished_at", "cancel_requested_at", "run_at"):
        assert job[name] is None or _MOMENT.fullmatch(job[name]), (name, job[name])
    assert set(job["usage"]) == {"requests", "input_tokens", "output_tokens"}
    path = f"/v1/jobs/{job['id']}"
    assert job["links"] == {"self": path, "events": f"{path}/events", "cancel": f"{path}/cancel"}


def test_a_completed_job_has_every_field(client: httpx2.Client) -> None:
    spawned = spawn(client, "text", "What happens?", metadata={"ticket": "A-17"}, priority=7)
    _assert_fields(spawned, _JOB)
    job = ended(client, spawned["id"])
    _assert_fields(job, _JOB)
    identifier = uuid.UUID(job["id"])
    assert identifier.version == 7
    assert identifier.int >> 80 == round(datetime.fromisoformat(job["created_at"]).timestamp() * 1000)
    assert job["state"] == "completed"
    assert (job["input"], job["output"], job["error"]) == ("What happens?", ANSWER, None)
    assert (job["attempt"], job["max_attempts"], job["priority"], job["queue_position"]) == (1, 3, 7, None)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    assert job["usage"] == {
        "requests": 1,
        "input_tokens": USAGE["prompt_tokens"],
        "output_tokens": USAGE["completion_tokens"],
    }
    assert job["answered_by"] == {"provider": "fake", "model": "text"}
    assert (job["tenant"], job["owner"]) == ("default", "local")
    assert job["metadata"] == {"ticket": "A-17"}
    assert job["timeout_seconds"] == 300
    (listed,) = client.get("/v1/jobs", params={"limit": 1}).json()["data"]
    _assert_fields(listed, _SUMMARY)
    assert listed["input_preview"] == "What happens?"


def test_a_job_that_waits_has_every_field(client: httpx2.Client) -> None:
    job = spawn(client, "idle", max_queue_wait_seconds=600)
    _assert_fields(job, _JOB)
    assert (job["state"], job["attempt"], job["queue_position"]) == ("pending", 0, 1)
    assert job["started_at"] is job["finished_at"] is job["output"] is job["answered_by"] is None
    assert job["max_queue_wait_seconds"] == 600
    client.post(job["links"]["cancel"]).raise_for_status()


@pytest.mark.parametrize(
    "value", ["", "text", 0, 1.5, True, [], [1, {"a": None}], {}, {"a": {"b": ["é", "\U0001f4a9"]}}]
)
def test_input_is_any_json_and_comes_back_as_it_was(client: httpx2.Client, value: Any) -> None:
    job = client.post("/v1/jobs", json={"agent": "quick", "input": value}).json()
    shown = ended(client, job["id"])
    assert shown["input"] == value
    assert type(shown["input"]) is type(value)
    assert shown["state"] == "completed", shown["error"]


def test_a_list_shows_a_preview_of_200_characters(client: httpx2.Client) -> None:
    run(client, "quick", "é" * 500)
    (listed,) = client.get("/v1/jobs", params={"limit": 1}).json()["data"]
    assert listed["input_preview"] == "é" * 200


def test_spawn_answers_202_with_a_location(client: httpx2.Client) -> None:
    answer = client.post(
        "/v1/jobs", json={"agent": "quick", "input": "x"}, headers={"X-Request-ID": "my.id-1"}
    )
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    assert answer.headers["x-request-id"] == "my.id-1"
    assert answer.json()["correlation_id"] == "my.id-1"
    job = ended(client, answer.json()["id"])
    assert client.get(answer.headers["location"]).json() == job


@pytest.mark.parametrize(("method", "suffix"), _ROUTES)
def test_a_job_that_is_not_there_is_a_404(client: httpx2.Client, method: str, suffix: str) -> None:
    for job_id in (_MISSING, *_STRANGE_IDS):
        answer = client.request(method, f"/v1/jobs/{job_id}{suffix}")
        # An encoded slash makes another path, which is no route.
        assert_refused(answer, "route_not_found" if "%2f" in job_id else "job_not_found")


def test_cancel_of_a_job_that_ended_is_a_409(client: httpx2.Client) -> None:
    job = run(client, "quick")
    error = assert_refused(client.post(job["links"]["cancel"]), "already_final")
    assert "completed" in error["message"]
    assert client.get(job["links"]["self"]).json() == job
    assert event_types(client, job["id"])[-1] == "job.completed"


def test_retry_makes_a_new_job_of_the_same(client: httpx2.Client) -> None:
    first = run(
        client, "text", timeout_seconds=12, priority=8, metadata={"a": [1]}, max_queue_wait_seconds=60
    )
    answer = client.post(f"{first['links']['self']}/retry")
    assert answer.status_code == 202
    second = answer.json()
    assert answer.headers["location"] == second["links"]["self"]
    assert second["id"] > first["id"]
    assert second["retry_of"] == first["id"]
    for name in ("agent", "input", "timeout_seconds", "priority", "metadata", "max_queue_wait_seconds"):
        assert second[name] == first[name], name
    assert second["correlation_id"] == answer.headers["x-request-id"]
    assert ended(client, second["id"])["state"] == "completed"
    assert client.get(first["links"]["self"]).json() == first


def test_retry_before_the_end_is_a_409(client: httpx2.Client) -> None:
    job = spawn(client, "idle")
    assert_refused(client.post(f"{job['links']['self']}/retry"), "not_final")
    client.post(job["links"]["cancel"])
    assert client.post(f"{job['links']['self']}/retry").status_code == 202


@pytest.mark.parametrize("path", ["cancel", "retry"])
def test_routes_without_a_body_do_not_mind_one(client: httpx2.Client, path: str) -> None:
    job = spawn(client, "idle")
    if path == "retry":
        client.post(job["links"]["cancel"])
    answer = client.post(f"{job['links']['self']}/{path}", json={})
    assert answer.status_code in (200, 202)
    client.post(answer.json()["links"]["cancel"])


def test_a_job_can_end_while_it_is_waited_for(client: httpx2.Client, provider: FakeProvider) -> None:
    calls = provider.calls("gate")
    job = spawn(client, "gate")
    provider.wait_called("gate", calls + 1)
    waiting = client.get(f"{job['links']['self']}/wait", params={"timeout_seconds": 0})
    assert waiting.json()["state"] == "running"
    assert waiting.json()["started_at"] is not None
    provider.open_gate()
    try:
        assert ended(client, job["id"])["state"] == "completed"
    finally:
        provider.close_gate()


def test_wait_answers_at_its_time_out_with_the_job_as_it_stands(client: httpx2.Client) -> None:
    job = spawn(client, "idle")
    began = datetime.now(UTC)
    answer = client.get(f"{job['links']['self']}/wait", params={"timeout_seconds": "0.2"})
    assert answer.status_code == 200
    assert answer.json()["state"] == "pending"
    assert 0.2 <= (datetime.now(UTC) - began).total_seconds() < 5
    client.post(job["links"]["cancel"])


@pytest.mark.parametrize("seconds", ["60.5", "-1", "nan", "inf", "x", "", "1e999", "61"])
def test_wait_refuses_times_out_of_range(client: httpx2.Client, seconds: str) -> None:
    job = run(client, "quick")
    assert_refused(
        client.get(f"{job['links']['self']}/wait", params={"timeout_seconds": seconds}), "invalid_parameter"
    )


def test_the_longest_wait_is_taken(client: httpx2.Client) -> None:
    job = run(client, "quick")
    answer = client.get(f"{job['links']['self']}/wait", params={"timeout_seconds": 60})
    assert answer.json() == job
