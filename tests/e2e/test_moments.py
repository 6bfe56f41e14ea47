"""Moments at the ends of the calendar: what is taken can be shown again."""

from typing import Any

import httpx2
import pytest
from tests.support.server import ServerProcess


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_a_moment_outside_the_calendar_in_utc_is_refused(shared_server: ServerProcess, moment: str) -> None:
    with shared_server.client() as client:
        spawned = client.post("/v1/jobs", json={"agent": "offline", "input": "x", "run_at": moment})
        assert spawned.status_code == 422
        assert "1 and 9999 in UTC" in spawned.json()["error"]["message"]
        listed = client.get("/v1/jobs", params={"created_before": moment})
        assert listed.status_code == 422


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        ("9999-12-31T23:59:59.9999Z", "9999-12-31T23:59:59.999Z"),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
        ("2020-02-29T12:00:00.123456+05:30", "2020-02-29T06:30:00.123Z"),
    ],
)
def test_a_moment_that_is_taken_can_be_shown(shared_server: ServerProcess, moment: str, shown: str) -> None:
    with shared_server.client() as client:
        job = _spawn(client, moment)
        assert job["run_at"] == shown
        assert client.get(job["links"]["self"]).json()["run_at"] == shown
        assert client.get("/v1/jobs").status_code == 200
        client.post(job["links"]["cancel"])


def _spawn(client: httpx2.Client, moment: str) -> dict[str, Any]:
    answer = client.post("/v1/jobs", json={"agent": "offline", "input": "x", "run_at": moment})
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    return job
