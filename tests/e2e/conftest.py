"""Servers that end-to-end tests share, and a provider they may do anything with."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.support.fake_provider import FakeProvider, fake_provider
from tests.support.server import ServerProcess, running_server

#: Models of the fake provider that have an agent of the same name.
MODELS = (
    "text", "tool", "tool-forever", "hang-first", "hang-middle", "gate", "length", "no-finish", "content-filter",
    "empty", "html", "garbage", "error-200", "surrogate", "flood", "bulk",
    *(f"status-{status}" for status in (400, 401, 403, 404, 408, 409, 422, 429, 500, 503)),
)  # fmt: skip
QUEUE_CAPACITY = 20


def settings_of(provider: FakeProvider) -> dict[str, Any]:
    """Settings with an agent for each model of the fake provider, and `idle`, which is kept paused."""
    agents: dict[str, Any] = {
        model: {"provider": "fake", "model": model, "tools": ["files.list"], "max_turns": 3}
        for model in MODELS
    }
    # Without tools the planner answers at once.
    offline = {"provider": "offline", "model": "planner", "tools": []}
    agents["quick"] = offline
    agents["idle"] = offline
    agents["single"] = {"provider": "fake", "model": "gate", "tools": [], "max_concurrent_jobs": 1}
    return {
        "providers": {"fake": {"kind": "openai_compatible", "base_url": provider.base_url}},
        "agents": agents,
    }


@pytest.fixture(scope="session")
def provider() -> Iterator[FakeProvider]:
    with fake_provider() as running:
        yield running


@pytest.fixture(scope="session")
def busy_server(tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider) -> Iterator[ServerProcess]:
    """A server with the agents of `settings_of`, small limits and quick clocks."""
    settings = settings_of(provider) | {
        "limits": {"queue_capacity": QUEUE_CAPACITY},
        "server": {"receive_timeout_seconds": 1, "max_subscribers_per_caller": 60},
        "events": {"heartbeat_seconds": 0.2},
    }
    folder = tmp_path_factory.mktemp("busy")
    (folder / "workspace").mkdir()
    with running_server(folder, settings) as server:
        with server.client() as client:
            client.post("/v1/coord/queues/idle/pause").raise_for_status()
        yield server


@pytest.fixture
def client(busy_server: ServerProcess, provider: FakeProvider) -> Iterator[httpx2.Client]:
    """A client of the shared server, which ends what a test leaves behind."""
    with busy_server.client() as opened:
        yield opened
        provider.close_gate()
        live = opened.get("/v1/jobs", params={"state": ["pending", "running"], "limit": 200}).json()
        for job in live["data"]:
            opened.post(job["links"]["cancel"])
