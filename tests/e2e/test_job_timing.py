"""run_at, max_queue_wait_seconds, priority and timeout_seconds."""

import time
from datetime import UTC, datetime, timedelta

import httpx2
from tests.support.api_jobs import ended, event_types, get, spawn
from tests.support.fake_provider import FakeProvider


def _moment(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def test_a_job_does_not_start_before_its_moment(client: httpx2.Client) -> None:
    moment = _moment(0.7)
    job = spawn(client, "quick", run_at=moment)
    assert (job["state"], job["queue_position"]) == ("pending", None)
    assert datetime.fromisoformat(job["run_at"]) == datetime.fromisoformat(moment)
    assert job["run_at"].endswith("Z")
    done = ended(client, job["id"])
    assert done["state"] == "completed"
    assert datetime.fromisoformat(done["started_at"]) >= datetime.fromisoformat(moment)
    late = datetime.fromisoformat(done["started_at"]) - datetime.fromisoformat(moment)
    assert late < timedelta(seconds=2)


def test_a_moment_that_has_passed_is_now(client: httpx2.Client) -> None:
    job = spawn(client, "quick", run_at=_moment(-3600))
    done = ended(client, job["id"])
    assert done["state"] == "completed"
    started = next(
        event for event in client.get(job["links"]["events"]).json()["data"] if event["type"] == "job.started"
    )
    assert 0 <= started["data"]["queue_wait_seconds"] < 60


def test_a_job_that_is_not_started_in_time_times_out(client: httpx2.Client) -> None:
    job = spawn(client, "idle", max_queue_wait_seconds=0.2)
    began = time.monotonic()
    done = ended(client, job["id"])
    assert time.monotonic() - began < 3
    assert done["state"] == "timed_out"
    assert done["error"]["code"] == "queue_timeout"
    assert done["error"]["type"] == "timeout"
    assert (done["started_at"], done["attempt"]) == (None, 0)
    assert event_types(client, job["id"]) == ["job.spawned", "job.timed_out"]


def test_the_wait_in_the_queue_begins_when_the_job_is_due(client: httpx2.Client) -> None:
    job = spawn(client, "idle", run_at=_moment(0.5), max_queue_wait_seconds=0.3)
    done = ended(client, job["id"])
    assert done["error"]["code"] == "queue_timeout"
    assert datetime.fromisoformat(done["finished_at"]) >= datetime.fromisoformat(job["run_at"]) + timedelta(
        seconds=0.29
    )


def test_a_job_that_starts_in_time_is_left_alone(client: httpx2.Client) -> None:
    job = spawn(client, "quick", max_queue_wait_seconds=30)
    assert ended(client, job["id"])["state"] == "completed"


def test_higher_priorities_start_first_and_older_ones_within_them(
    client: httpx2.Client, provider: FakeProvider
) -> None:
    calls = provider.calls("gate")
    blocker = spawn(client, "single")
    provider.wait_called("gate", calls + 1)
    priorities = [1, 9, 5, 0, 9, 5]
    jobs = [spawn(client, "single", priority=priority) for priority in priorities]
    expected = [jobs[index] for index in (1, 4, 2, 5, 0, 3)]
    positions = {job["id"]: get(client, job["id"])["queue_position"] for job in jobs}
    assert [positions[job["id"]] for job in expected] == [1, 2, 3, 4, 5, 6]
    assert get(client, blocker["id"])["queue_position"] is None
    provider.open_gate()
    done = [ended(client, job["id"]) for job in expected]
    started = [job["started_at"] for job in done]
    assert started == sorted(started)
    order = [
        event["subject"]
        for job in done
        for event in client.get(job["links"]["events"]).json()["data"]
        if event["type"] == "job.started"
    ]
    assert order == [job["id"] for job in expected]


def test_running_time_ends_with_timed_out(client: httpx2.Client, provider: FakeProvider) -> None:
    aborted = provider.aborted("hang-middle")
    job = spawn(client, "hang-middle", timeout_seconds=0.4)
    began = time.monotonic()
    done = ended(client, job["id"])
    assert time.monotonic() - began < 3
    provider.wait_aborted("hang-middle", aborted + 1)
    assert done["state"] == "timed_out"
    assert done["error"]["code"] == "job_timeout"
    assert done["error"]["type"] == "timeout"
    assert (done["timeout_seconds"], done["attempt"], done["output"]) == (0.4, 1, None)
    assert event_types(client, job["id"])[-1] == "job.timed_out"
    (last,) = client.get(job["links"]["events"]).json()["data"][-1:]
    assert last["data"]["error"] == done["error"]
    assert 0.4 <= last["data"]["duration_seconds"] < 2


def test_waiting_is_no_running_time(client: httpx2.Client, provider: FakeProvider) -> None:
    calls = provider.calls("gate")
    spawn(client, "single")
    provider.wait_called("gate", calls + 1)
    second = spawn(client, "single", timeout_seconds=0.4)
    assert (
        client.get(f"{second['links']['self']}/wait", params={"timeout_seconds": 0.6}).json()["state"]
        == "pending"
    )
    provider.open_gate()
    assert ended(client, second["id"])["state"] == "completed"
