"""Spawning and ending jobs over HTTP."""

from typing import Any

import httpx2


def spawn(
    client: httpx2.Client, agent: str, text: str = "What is a cancel?", **fields: Any
) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json={"agent": agent, "input": text, **fields})
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job


def get(client: httpx2.Client, job_id: str) -> dict[str, Any]:
    answer = client.get(f"/v1/jobs/{job_id}")
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.json()
    return job


def ended(client: httpx2.Client, job_id: str) -> dict[str, Any]:
    """Wait for a job's end and return it."""
    answer = client.get(f"/v1/jobs/{job_id}/wait", params={"timeout_seconds": 25})
    assert answer.status_code == 200, answer.text
    job: dict[str, Any] = answer.json()
    assert job["finished_at"] is not None, job
    return job


def run(client: httpx2.Client, agent: str, text: str = "What is a cancel?", **fields: Any) -> dict[str, Any]:
    return ended(client, spawn(client, agent, text, **fields)["id"])


def event_types(client: httpx2.Client, job_id: str) -> list[str]:
    page = client.get(f"/v1/jobs/{job_id}/events", params={"limit": 200}).json()
    return [event["type"] for event in page["data"]]
