"""What a provider does, as the job's caller sees it: one documented end, never a raw text or an empty success."""

import httpx2
import pytest
from tests.support.api_jobs import run
from tests.support.fake_provider import ANSWER, FakeProvider


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("status-400", "provider_rejected"),
        ("status-401", "provider_auth"),
        ("status-403", "provider_auth"),
        ("status-404", "provider_rejected"),
        ("status-409", "provider_rejected"),
        ("status-422", "provider_rejected"),
    ],
)
def test_what_a_provider_refuses_is_asked_once(
    client: httpx2.Client, provider: FakeProvider, model: str, code: str
) -> None:
    calls = provider.calls(model)
    job = run(client, model)
    assert job["state"] == "failed"
    assert (job["error"]["code"], job["error"]["type"]) == (code, "provider")
    assert job["output"] is None
    assert provider.calls(model) == calls + 1


@pytest.mark.parametrize(
    ("model", "code"),
    [
        ("no-finish", "provider_bad_answer"),
        ("content-filter", "provider_rejected"),
        ("garbage", "provider_bad_answer"),
    ],
)
def test_a_bad_answer_is_no_success(client: httpx2.Client, model: str, code: str) -> None:
    job = run(client, model)
    assert job["state"] == "failed", job["output"]
    assert job["error"]["code"] == code


def test_an_answer_that_is_as_long_as_it_may_be_completes_and_says_so(client: httpx2.Client) -> None:
    job = run(client, "length")
    assert (job["state"], job["output"]) == ("completed", ANSWER)
    events = client.get(job["links"]["events"]).json()["data"]
    (answered,) = (event["data"] for event in events if event["type"] == "model.answered")
    assert answered["finish_reason"] == "length"


def test_an_endless_loop_of_tools_stops(client: httpx2.Client, provider: FakeProvider) -> None:
    calls = provider.calls("tool-forever")
    job = run(client, "tool-forever")
    assert (job["state"], job["error"]["code"]) == ("failed", "max_turns")
    assert provider.calls("tool-forever") == calls + 3


def test_half_a_character_breaks_nothing(client: httpx2.Client) -> None:
    job = run(client, "surrogate")
    assert job["state"] in ("completed", "failed")
    assert client.get("/v1/jobs").status_code == 200
