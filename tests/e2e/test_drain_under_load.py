"""SIGTERM: what runs gets its grace, the rest goes on in the next process, and nothing is asked twice."""

import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.api_jobs import ended, event_types, get, spawn
from tests.support.chaos import ChaosPlan, ChaosRun, ServerUnderFire
from tests.support.chaos_provider import (
    ChaosProvider,
    chaos_provider,
    chaos_settings,
    expected_answer,
    script,
)
from tests.support.chaos_verdict import Verdict, drain_seconds, moments
from tests.support.event_reader import event_stream
from tests.support.server import ServerProcess, running_server

_GRACE_SECONDS = 0.5
_AGENTS = ("resume", "restart", "fail")


def test_drains_under_load_lose_nothing_and_spend_no_attempt(folder: Path) -> None:
    plan = ChaosPlan(jobs=40, kills=3, seed=7, pace_ms=(5, 600), in_flight=24, signal=signal.SIGTERM)
    with chaos_provider() as provider:
        settings = chaos_settings(provider) | {"server": {"shutdown_grace_seconds": _GRACE_SECONDS}}
        server = ServerUnderFire(folder, settings)
        run = ChaosRun(plan, provider, server)
        try:
            run.run()
            verdict = Verdict(run)
        finally:
            server.kill()
    assert not verdict.broken, verdict.table()
    assert [end.code for end in server.exits] == [0, 0, 0]
    assert max(drain_seconds(folder)) <= _GRACE_SECONDS + 1
    assert verdict.measured.highest_attempt == 1
    assert verdict.measured.interrupted > 0, "the drains met no running job"
    assert verdict.measured.replayed_answers > 0, "nothing was resumed"


def test_a_process_that_has_left_ends_though_it_was_still_loading(folder: Path) -> None:
    """The first job of a process makes it import for seconds, in a thread that nothing can stop."""
    with chaos_provider() as provider:
        settings = chaos_settings(provider) | {"server": {"shutdown_grace_seconds": 0}}
        with running_server(folder, settings) as server:
            with server.client() as client:
                job = spawn(client, "chaos", script("early", "-"))
            assert server.stop() == 0
            ended_at = time.time()
        assert "loop.loaded" not in server.log, "it had loaded before the signal came: nothing was shown"
        assert ended_at - moments(folder, "server.left")[0] < 0.5
        with running_server(folder, settings) as server, server.client() as client:
            assert ended(client, job["id"])["attempt"] == 1


def test_a_second_signal_ends_everything_at_once(folder: Path) -> None:
    with chaos_provider() as provider:
        settings = chaos_settings(provider)
        with running_server(folder, settings) as server, server.client() as client:
            jobs = [spawn(client, "chaos", script(f"m{n}", "hs"[n % 2])) for n in range(16)]
            provider.wait(lambda: len(provider.calls) >= 16 + 8, "every job at work")
            with event_stream(server) as events:
                server.process.send_signal(signal.SIGTERM)
                events.until_end()
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert server.wait() == 0
            assert time.monotonic() - began < 2
        with running_server(folder, settings) as server, server.client() as client:
            provider.let_go()
            for job in jobs:
                assert "job.interrupted" in event_types(client, job["id"])
                assert get(client, job["id"])["attempt"] <= 1


@pytest.fixture
def settings_of_each(provider: ChaosProvider) -> dict[str, Any]:
    settings = chaos_settings(provider)
    agent = settings["agents"].pop("chaos")
    settings["agents"] = {name: {**agent, "on_interrupt": name} for name in _AGENTS}
    settings["server"] = {"shutdown_grace_seconds": 0}
    return settings


@pytest.fixture
def provider() -> Any:
    with chaos_provider() as running:
        yield running


def test_each_agent_says_what_an_interruption_means(
    folder: Path, provider: ChaosProvider, settings_of_each: dict[str, Any]
) -> None:
    with running_server(folder, settings_of_each) as server:
        jobs = _at_their_second_turn(server, provider, "drained")
        assert server.stop() == 0
    with running_server(folder, settings_of_each) as server, server.client() as client:
        _check(client, provider, jobs, "drained", attempt=1)
        killed = _at_their_second_turn(server, provider, "killed")
        provider.wait_calls("drained-resume", 3)
        provider.wait_calls("drained-restart", 4)
        server.kill()
    provider.let_go()
    with running_server(folder, settings_of_each) as server, server.client() as client:
        _check(client, provider, killed, "killed", attempt=2)
        # Twice interrupted, once by each: what the first turn was answered is known all the same.
        assert ended(client, jobs["resume"]["id"])["attempt"] == 2
        assert len([call for call in provider.of("drained-resume") if call.turn == 1]) == 1
        assert len([call for call in provider.of("drained-restart") if call.turn == 1]) == 3


def _at_their_second_turn(
    server: ServerProcess, provider: ChaosProvider, name: str
) -> dict[str, dict[str, Any]]:
    """Spawn a job of each agent and wait until its first turn is answered and its second hangs."""
    with server.client() as client:
        jobs = {agent: spawn(client, agent, script(f"{name}-{agent}", "wh")) for agent in _AGENTS}
        for agent in _AGENTS:
            provider.wait_calls(f"{name}-{agent}", 2)
    return jobs


def _check(
    client: Any, provider: ChaosProvider, jobs: dict[str, dict[str, Any]], name: str, attempt: int
) -> None:
    failed = get(client, jobs["fail"]["id"])
    assert (failed["state"], failed["error"]["code"]) == ("failed", "worker_lost")
    assert event_types(client, failed["id"])[-1] == "job.failed"
    assert len(provider.of(f"{name}-fail")) == 2
    provider.wait_calls(f"{name}-resume", 3)
    provider.wait_calls(f"{name}-restart", 4)
    assert [call.turn for call in provider.of(f"{name}-resume")] == [1, 2, 2]
    assert [call.turn for call in provider.of(f"{name}-restart")] == [1, 2, 1, 2]
    assert [call.turn for call in provider.of(f"{name}-restart", tools=True)] == [1, 1]
    assert len(provider.of(f"{name}-resume", tools=True)) == 1
    for agent in ("resume", "restart"):
        job = get(client, jobs[agent]["id"])
        assert job["attempt"] == attempt
        if job["state"] == "completed":
            assert job["output"] == expected_answer(job["input"])
