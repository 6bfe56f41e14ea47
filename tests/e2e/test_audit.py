"""GET /v1/audit: who did what, on a real server."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import run, spawn
from tests.support.envelope import assert_refused
from tests.support.server import running_server

FIELDS = {
    "id", "time", "actor", "action", "target", "tenant", "crosses_tenants", "outcome", "correlation_id", "details",
}  # fmt: skip
LOCAL = {"subject": "local", "tenant": "default", "role": "admin"}


def entries(client: httpx2.Client, **parameters: Any) -> list[dict[str, Any]]:
    page = client.get("/v1/audit", params=parameters).json()
    assert set(page) == {"data", "next_cursor", "has_more"}
    data: list[dict[str, Any]] = page["data"]
    return data


def told(client: httpx2.Client, **parameters: Any) -> list[tuple[str, str]]:
    return [(entry["action"], entry["target"]["id"]) for entry in entries(client, **parameters)]


def test_what_was_done_to_a_job_is_told_with_the_requests_id(client: httpx2.Client) -> None:
    job = run(client, "quick")
    again = client.post(f"/v1/jobs/{job['id']}/retry", headers={"X-Request-ID": "again-1"}).json()
    idle = spawn(client, "idle")
    client.post(idle["links"]["cancel"], headers={"X-Request-ID": "cancel-1"})
    assert told(client, target_id=job["id"]) == [("job.retry", job["id"]), ("job.spawn", job["id"])]
    (made,) = entries(client, target_id=again["id"])
    assert made["details"] == {"agent": "quick", "retry_of": job["id"]}
    assert made["correlation_id"] == "again-1"
    cancelled, spawned = entries(client, target_id=idle["id"])
    assert set(cancelled) == FIELDS
    assert (cancelled["action"], cancelled["correlation_id"]) == ("job.cancel", "cancel-1")
    assert cancelled["actor"] == LOCAL
    assert (cancelled["tenant"], cancelled["crosses_tenants"], cancelled["outcome"]) == (
        "default",
        False,
        "done",
    )
    assert spawned["correlation_id"] == idle["correlation_id"]
    assert spawned["time"] == idle["created_at"]


def test_queues_nodes_and_settings_are_told(folder: Path) -> None:
    with running_server(folder) as server, server.client() as client:
        (node,) = client.get("/v1/coord/nodes").json()["data"]
        for path in ("queues/offline/pause", "queues/offline/pause", "queues/offline/resume"):
            client.post(f"/v1/coord/{path}").raise_for_status()
        for verb in ("drain", "drain", "resume"):
            client.post(f"/v1/coord/nodes/{node['id']}/{verb}").raise_for_status()
        done = [action for action, _ in told(client)]
        assert done == ["node.resume", "node.drain", "queue.resume", "queue.pause", "settings.load"]
        (loaded,) = entries(client, action="settings.load")
        assert loaded["actor"] == {"subject": "system", "tenant": None, "role": None}
        assert loaded["tenant"] is None
        assert loaded["details"]["node"] == node["id"]
        server.stop()
    with running_server(folder) as server, server.client() as client:
        same, first = entries(client, action="settings.load")
        assert same["target"] == first["target"]
        server.stop()
    with running_server(folder, {"limits": {"queue_capacity": 7}}) as server, server.client() as client:
        other, *_ = entries(client, action="settings.load")
        assert other["target"] != first["target"]


@pytest.mark.parametrize("limit", [1, 3, 200])
def test_pages_see_each_entry_once(client: httpx2.Client, limit: int) -> None:
    made = [spawn(client, "idle") for _ in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        parameters: dict[str, str | int] = {"limit": limit, "action": "job.spawn", **cursor}
        page = client.get("/v1/audit", params=parameters).json()
        seen += [entry["target"]["id"] for entry in page["data"]]
        assert page["has_more"] is (page["next_cursor"] is not None)
        if not page["has_more"] or made[0]["id"] in seen:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen[:5] == [job["id"] for job in reversed(made)]
    assert len(seen) == len(set(seen))


def test_filters_by_time_leave_the_bounds_out(client: httpx2.Client) -> None:
    first, second = run(client, "quick"), run(client, "quick")
    after = told(client, after=first["created_at"], action="job.spawn")
    assert ("job.spawn", second["id"]) in after
    assert ("job.spawn", first["id"]) not in after
    assert ("job.spawn", second["id"]) not in told(client, before=second["created_at"], limit=200)


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "action=job.eat", "target_kind=cat", "after=yesterday", "cursor=x", "actor=a&actor=b", "x=1",
     "cursor=YXVkaXQ6eA"],
)  # fmt: skip
def test_what_is_out_of_form_is_a_422(client: httpx2.Client, query: str) -> None:
    assert_refused(client.get(f"/v1/audit?{query}"), "invalid_parameter")


def test_a_cursor_of_another_list_is_refused(client: httpx2.Client) -> None:
    spawn(client, "idle"), spawn(client, "idle")
    cursor = client.get("/v1/jobs?limit=1").json()["next_cursor"]
    assert_refused(client.get("/v1/audit", params={"cursor": cursor}), "invalid_parameter")
