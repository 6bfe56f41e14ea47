"""GET /v1/jobs: filters, order, pages."""

import base64
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import run, spawn
from tests.support.envelope import assert_refused


def _walk(client: httpx2.Client, **parameters: Any) -> Iterator[dict[str, Any]]:
    cursor: dict[str, str] = {}
    while True:
        page = client.get("/v1/jobs", params={**parameters, **cursor}).json()
        assert set(page) == {"data", "next_cursor", "has_more"}
        assert page["has_more"] is (page["next_cursor"] is not None)
        yield from page["data"]
        if not page["has_more"]:
            return
        cursor = {"cursor": page["next_cursor"]}


@pytest.fixture(scope="module")
def jobs(busy_server: Any) -> list[dict[str, Any]]:
    with busy_server.client() as client:
        made = [run(client, "quick", f"listed {number}") for number in range(23)]
        cancelled = [spawn(client, "idle", f"listed {number}") for number in range(4)]
        for job in cancelled:
            client.post(job["links"]["cancel"])
        return made + cancelled


@pytest.mark.parametrize("limit", [1, 5, 7, 27, 200])
def test_a_walk_over_pages_sees_each_job_once(
    client: httpx2.Client, jobs: list[dict[str, Any]], limit: int
) -> None:
    seen = [job["id"] for job in _walk(client, limit=limit, created_after=jobs[0]["created_at"])]
    assert seen == sorted(seen, reverse=True)
    assert len(set(seen)) == len(seen)
    assert {job["id"] for job in jobs[1:]} <= set(seen)


def test_jobs_that_come_during_a_walk_do_not_disturb_it(
    client: httpx2.Client, jobs: list[dict[str, Any]]
) -> None:
    before = [job["id"] for job in client.get("/v1/jobs", params={"limit": 10}).json()["data"]]
    walk = _walk(client, limit=3)
    seen = [next(walk)["id"] for _ in range(4)]
    new = run(client, "quick", "meanwhile")
    seen += [next(walk)["id"] for _ in range(6)]
    assert seen == before
    assert new["id"] not in seen


def test_the_default_page_holds_50(client: httpx2.Client, jobs: list[dict[str, Any]]) -> None:
    for _ in range(60 - len(jobs)):
        client.post(spawn(client, "idle")["links"]["cancel"])
    page = client.get("/v1/jobs").json()
    assert len(page["data"]) == 50
    assert page["has_more"] is True


def test_filters_by_state_and_agent(client: httpx2.Client, jobs: list[dict[str, Any]]) -> None:
    def ids(**parameters: Any) -> set[str]:
        return {job["id"] for job in _walk(client, limit=200, **parameters)}

    completed = {job["id"] for job in jobs if job["agent"] == "quick"}
    cancelled = {job["id"] for job in jobs if job["agent"] == "idle"}
    assert completed <= ids(state="completed")
    assert not cancelled & ids(state="completed")
    assert completed | cancelled <= ids(state=["completed", "cancelled"])
    assert completed <= ids(agent="quick")
    assert not cancelled & ids(agent="quick")
    assert not ids(agent="nobody")
    assert not ids(state="running")


def test_filters_by_creation_leave_the_bounds_out(client: httpx2.Client, jobs: list[dict[str, Any]]) -> None:
    fifth = jobs[5]["created_at"]
    after = [job["created_at"] for job in _walk(client, limit=200, created_after=fifth)]
    before = [job["created_at"] for job in _walk(client, limit=200, created_before=fifth)]
    assert min(after) > fifth
    assert max(before) < fifth
    with_offset = fifth.replace("Z", "+00:00")
    assert [job["created_at"] for job in _walk(client, limit=200, created_after=with_offset)] == after


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": 0},
        {"limit": 201},
        {"limit": -1},
        {"limit": "x"},
        {"limit": "1e2"},
        {"limit": ""},
        {"limit": "9" * 5000},
        {"state": "done"},
        {"state": ["completed", "x"]},
        {"state": ""},
        {"created_after": "yesterday"},
        {"created_after": "2026-11-21"},
        {"created_after": "2026-11-21T10:00:00"},
        {"created_after": "1700000000"},
        {"created_before": "NaN"},
        {"created_before": "99999-01-01T00:00:00Z"},
        {"cursor": "x"},
        {"cursor": ""},
        {"cursor": "é"},
        {"cursor": "A" * 5000},
        {"cursor": base64.urlsafe_b64encode(b"job:").decode()},
        {"cursor": base64.urlsafe_b64encode(b"job:nothing").decode()},
        {"cursor": base64.urlsafe_b64encode(b"event:7").decode()},
        {"agent": "a" * 65},
        {"unknown": "1"},
        {"Limit": "1"},
        {"limit": [1, 2]},
    ],
)
def test_what_is_out_of_form_is_a_422(client: httpx2.Client, parameters: dict[str, Any]) -> None:
    error = assert_refused(client.get("/v1/jobs", params=parameters), "invalid_parameter")
    assert next(iter(parameters)) in error["message"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"created_after": "0001-01-01T00:00:00Z"},
        {"created_before": "9999-12-31T23:59:59.999999Z"},
        {"created_after": "9999-12-31T23:59:59-23:59"},
        {"created_before": "0001-01-01T00:00:00+23:59"},
        {"agent": "\x00"},
        {"agent": "' OR 1=1 --"},
        {"agent": "%"},
    ],
)
def test_extreme_filters_are_answered(client: httpx2.Client, parameters: dict[str, Any]) -> None:
    answer = client.get("/v1/jobs", params=parameters)
    assert answer.status_code in (200, 422), answer.text


@pytest.mark.parametrize(
    "query", ["%ff=1", "agent=%ff", "agent=%ED%A0%80", "&&&", "=", "limit=5&limit", "a" * 9000]
)
def test_odd_query_strings_are_never_a_500(client: httpx2.Client, query: str) -> None:
    answer = client.get(f"/v1/jobs?{query}")
    assert answer.status_code in (200, 422, 400), answer.text
