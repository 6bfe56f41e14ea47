"""What a server tells of its providers: events, metrics, breakers, and never a key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import ended, run, spawn
from tests.support.event_reader import event_stream
from tests.support.faulty_provider import FaultyProvider, answer, faulty_provider
from tests.support.provider_faults import PROVIDER_TEXT, status
from tests.support.server import ServerProcess, running_server
from tests.support.wire_answers import ANSWER, INPUT_TOKENS, OUTPUT_TOKENS

KEY = "sk-live-planted-key-000111222333"
MINIMUM_CALLS = 3
SETTINGS: dict[str, Any] = {
    "kind": "openai_compatible",
    "api_key": "secret://env/PLANTED_KEY",
    "retry": {"max_attempts": 1},
    "breaker": {"minimum_calls": MINIMUM_CALLS, "window_calls": 5, "open_seconds": 0.5},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[FaultyProvider]:
    said = f'{{"error": {{"message": "{PROVIDER_TEXT}: {KEY}"}}}}'.encode()
    plans = {
        "fine": (answer,),
        "dying": (*[status(500, said)] * MINIMUM_CALLS, answer),
        "strict": (status(429, said, retry_after=60),),
        "away": (status(503, said),),
        "locked": (status(401, said),),
    }
    with faulty_provider(plans) as running:
        yield running


@pytest.fixture(scope="module")
def second_provider() -> Iterator[FaultyProvider]:
    with faulty_provider() as running:
        yield running


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, provider: FaultyProvider, second_provider: FaultyProvider
) -> Iterator[ServerProcess]:
    first = {**SETTINGS, "base_url": provider.base_url}
    second = {**SETTINGS, "base_url": second_provider.base_url}
    names = ("fine", "dying", "strict", "away", "locked")
    agents = {name: {"provider": "first", "model": name, "tools": []} for name in names}
    agents["away"] = {**agents["away"], "provider": "backed"}
    settings = {
        "providers": {"first": first, "second": second, "backed": {**first, "fallback": ["second"]}},
        "agents": agents,
    }
    with running_server(tmp_path_factory.mktemp("news"), settings, environ={"PLANTED_KEY": KEY}) as running:
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx2.Client]:
    with server.client() as opened:
        yield opened


def metric(client: httpx2.Client, name: str, **labels: str) -> float:
    wanted = {f'{label}="{value}"' for label, value in labels.items()}
    for line in client.get("/metrics").text.splitlines():
        written, _, value = line.rpartition(" ")
        if written.partition("{")[0] == name and wanted <= set(written.partition("{")[2][:-1].split(",")):
            return float(value)
    raise AssertionError(f"{name} {labels} is not told")


def test_a_breaker_is_told_as_event_metric_and_in_the_list(
    client: httpx2.Client, server: ServerProcess, provider: FaultyProvider
) -> None:
    types = "provider.breaker_opened,provider.breaker_half_opened,provider.breaker_closed"
    with event_stream(server, after=0, types=types) as events:
        codes = [run(client, "dying")["error"]["code"] for _ in range(MINIMUM_CALLS + 1)]
        assert codes == ["provider_unavailable"] * MINIMUM_CALLS + ["breaker_open"]
        opened = events.next()
        assert (opened.event, opened.data["data"]) == (
            "provider.breaker_opened",
            {"provider": "first", "model": "dying"},
        )
        assert metric(client, "airboss_breaker_state", provider="first", model="dying") == 2
        (breaker,) = [
            each for each in client.get("/v1/providers/first").json()["breakers"] if each["model"] == "dying"
        ]
        assert (breaker["state"], breaker["failures"]) == ("open", MINIMUM_CALLS)
        # Who asks too early is refused; the first who does not is the probe.
        while (job := run(client, "dying"))["state"] != "completed":
            assert job["error"]["code"] == "breaker_open"
        assert [events.next().event, events.next().event] == [
            "provider.breaker_half_opened",
            "provider.breaker_closed",
        ]
    assert provider.calls("dying") == MINIMUM_CALLS + 1
    assert metric(client, "airboss_breaker_state", provider="first", model="dying") == 0
    outcomes = {"ok": 1.0, "provider_unavailable": float(MINIMUM_CALLS)}
    for outcome, at_least in outcomes.items():
        assert metric(client, "airboss_provider_calls_total", provider="first", outcome=outcome) >= at_least


def test_throttling_is_told_once_a_call(
    client: httpx2.Client, server: ServerProcess, provider: FaultyProvider
) -> None:
    with event_stream(server, after=0, types="provider.throttled") as events:
        job = run(client, "strict")
        assert job["error"]["code"] == "provider_rate_limited"
        assert events.next().data["data"] == {"provider": "first", "model": "strict"}
    assert provider.calls("strict") == 1


def test_who_answered_and_what_it_cost_stands_in_the_job(client: httpx2.Client) -> None:
    job = run(client, "fine")
    assert (job["output"], job["answered_by"]) == (ANSWER, {"provider": "first", "model": "fine"})
    assert job["usage"] == {"requests": 1, "input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}


def test_the_fallback_answers(client: httpx2.Client) -> None:
    job = run(client, "away")
    assert (job["output"], job["answered_by"]) == (ANSWER, {"provider": "second", "model": "away"})


def test_neither_key_nor_the_providers_words_are_anywhere(
    client: httpx2.Client, server: ServerProcess, provider: FaultyProvider
) -> None:
    jobs = [ended(client, spawn(client, name)["id"]) for name in ("locked", "strict", "away", "fine")]
    assert jobs[0]["error"]["code"] == "provider_auth"
    assert any(KEY in headers["authorization"] for headers, _ in provider.requests), "it was sent"
    pages = [client.get(job["links"]["events"], params={"limit": 200}).text for job in jobs]
    paths = ("/v1/jobs?limit=200", "/v1/providers", "/v1/agents", "/metrics", "/v1/providers/first/models")
    told = "\n".join([str(jobs), *pages, *(client.get(path).text for path in paths)])
    files = [path.read_bytes() for path in Path(server.folder).rglob("*") if path.is_file()]
    for secret in (KEY, KEY[-12:]):
        assert secret not in told
        assert secret not in server.log
        assert not any(secret.encode() in content for content in files)
    assert PROVIDER_TEXT not in told
