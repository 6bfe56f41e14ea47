"""Cancel: at once where nothing runs, within a second where something does, and for good."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from tests.support.api_jobs import ended, event_types, spawn
from tests.support.event_reader import event_stream
from tests.support.fake_provider import FakeProvider
from tests.support.server import ServerProcess


def test_cancel_of_a_pending_job_is_done_on_return(client: httpx2.Client) -> None:
    job = spawn(client, "idle")
    answer = client.post(job["links"]["cancel"])
    assert answer.status_code == 200
    cancelled = answer.json()
    assert cancelled["state"] == "cancelled"
    assert cancelled["cancel_requested_at"] is not None
    assert cancelled["finished_at"] is not None
    assert (cancelled["started_at"], cancelled["attempt"], cancelled["queue_position"]) == (None, 0, None)
    assert (cancelled["output"], cancelled["error"]) == (None, None)
    assert event_types(client, job["id"]) == ["job.spawned", "job.cancel_requested", "job.cancelled"]


def test_cancel_of_a_job_in_the_future_is_done_on_return(client: httpx2.Client) -> None:
    job = spawn(client, "quick", run_at="2999-01-01T00:00:00Z")
    assert client.post(job["links"]["cancel"]).status_code == 200


@pytest.mark.parametrize("model", ["hang-first", "hang-middle"])
def test_cancel_of_a_running_job_closes_the_providers_connection(
    client: httpx2.Client, provider: FakeProvider, busy_server: ServerProcess, model: str
) -> None:
    calls, aborted = provider.calls(model), provider.aborted(model)
    job = spawn(client, model)
    provider.wait_called(model, calls + 1)
    with event_stream(busy_server, job["links"]["events"]) as events:
        events.until_type("output.delta" if model == "hang-middle" else "model.called")
        began = time.monotonic()
        answer = client.post(job["links"]["cancel"])
        provider.wait_aborted(model, aborted + 1)
        seconds = time.monotonic() - began
        assert seconds < 1, f"the provider's connection was closed after {seconds:.3f} s"
        assert answer.status_code == 202
        assert answer.json()["state"] == "running"
        assert answer.json()["cancel_requested_at"] is not None
        frames = events.until_end()
    assert [frame.event for frame in frames[-2:]] == ["job.cancelled", "stream.end"]
    assert frames[-1].data == {"reason": "final"}
    assert frames[-2].data["data"]["reason"] == "cancel_requested"
    job = ended(client, job["id"])
    assert (job["state"], job["output"], job["error"]) == ("cancelled", None, None)
    assert event_types(client, job["id"])[-1] == "job.cancelled"
    assert provider.calls(model) == calls + 1


def test_many_cancels_of_one_job_request_it_once(client: httpx2.Client, provider: FakeProvider) -> None:
    calls = provider.calls("hang-first")
    job = spawn(client, "hang-first")
    provider.wait_called("hang-first", calls + 1)
    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(lambda _: client.post(job["links"]["cancel"]), range(20)))
    assert {answer.status_code for answer in answers} <= {202, 409}
    assert 202 in {answer.status_code for answer in answers}
    assert ended(client, job["id"])["state"] == "cancelled"
    assert event_types(client, job["id"]).count("job.cancel_requested") == 1


def test_a_cancel_that_meets_the_start_wins_or_is_told(client: httpx2.Client) -> None:
    """Whatever the race, a 200 or 202 means cancelled and a 409 means that the job had ended before."""
    for _ in range(40):
        job = spawn(client, "text")
        answer = client.post(job["links"]["cancel"])
        state = ended(client, job["id"])["state"]
        assert (answer.status_code, state) in ((200, "cancelled"), (202, "cancelled"), (409, "completed"))
        final = [
            kind for kind in event_types(client, job["id"]) if kind in ("job.completed", "job.cancelled")
        ]
        assert final == [f"job.{state}"]


def test_a_slot_is_free_after_a_cancel(client: httpx2.Client, provider: FakeProvider) -> None:
    calls = provider.calls("gate")
    first, second = spawn(client, "single"), spawn(client, "single")
    provider.wait_called("gate", calls + 1)
    assert client.get(second["links"]["self"]).json()["state"] == "pending"
    client.post(first["links"]["cancel"])
    provider.wait_called("gate", calls + 2)
    provider.open_gate()
    assert ended(client, second["id"])["state"] == "completed"
