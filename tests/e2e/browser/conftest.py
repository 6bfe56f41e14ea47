"""A real browser over a real server, whose provider says what a test gives it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from tests.support.api_jobs import spawn
from tests.support.browser import DEADLINE_MS, HOW_TO_INSTALL, Complaints, browsing, chromium, chromium_path
from tests.support.mcp_rig import HOSTILE
from tests.support.server import ServerProcess, running_server
from tests.support.speaking_provider import SpeakingProvider, speaking_provider

expect.set_options(timeout=DEADLINE_MS)


def settings_of(provider: SpeakingProvider) -> dict[str, Any]:
    tools = ["files.list", "files.read"]
    offline = {"provider": "offline", "model": "planner", "tools": []}
    once = {"max_attempts": 1, "base_seconds": 0.01}
    return {
        "providers": {
            "fake": {"kind": "openai_compatible", "base_url": provider.base_url, "retry": once},
            "brittle": {
                "kind": "openai_compatible",
                "base_url": provider.base_url,
                "retry": once,
                "breaker": {"minimum_calls": 1, "window_calls": 2, "open_seconds": 600},
            },
            "frail": {
                "kind": "openai_compatible",
                "base_url": provider.base_url,
                "retry": once,
                "breaker": {"minimum_calls": 1, "window_calls": 2, "open_seconds": 600},
            },
        },
        "agents": {
            "stepwise": {"provider": "fake", "model": "stepwise", "tools": []},
            "research": {"provider": "fake", "model": "research", "tools": tools},
            "refused": {"provider": "fake", "model": "refused", "tools": []},
            "failing": {"provider": "frail", "model": "failing", "tools": []},
            "crumbling": {"provider": "brittle", "model": "failing", "tools": []},
            "quick": offline,
            "idle": offline,
            "mcp-user": offline | {"mcp_servers": ["broken"]},
        },
        "mcp": {
            "servers": {
                "tidy": {"command": sys.executable, "args": ["-S", "-E", str(HOSTILE)]},
                "broken": {"command": sys.executable, "args": ["-c", "raise SystemExit(3)"]},
            }
        },
    }


@pytest.fixture(scope="session")
def speaker() -> Iterator[SpeakingProvider]:
    with speaking_provider() as provider:
        yield provider


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, speaker: SpeakingProvider) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("dashboard")
    prepare(folder)
    with running_server(folder, settings_of(speaker)) as running:
        with running.client() as client:
            client.post("/v1/coord/queues/idle/pause").raise_for_status()
            # The first job waits for the agent loop to be loaded: no test should.
            first = spawn(client, "quick")
            client.get(f"{first['links']['self']}/wait", params={"timeout_seconds": 60}, timeout=70)
        yield running


def prepare(folder: Path) -> None:
    (folder / "workspace").mkdir(parents=True)
    (folder / "workspace" / "changelog.md").write_text("# Changes\n")


@pytest.fixture
def api(server: ServerProcess, speaker: SpeakingProvider) -> Iterator[httpx2.Client]:
    with server.client() as client:
        yield client
        live = client.get("/v1/jobs", params={"state": ["pending", "running"], "limit": 200}).json()
        for job in live["data"]:
            client.post(job["links"]["cancel"])
        speaker.forget()


# Of a module and not of the session: Playwright keeps its event loop running, and other tests have loops too.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if chromium_path() is None:
        pytest.skip(HOW_TO_INSTALL)
    with chromium() as started:
        yield started


@pytest.fixture
def context_options() -> dict[str, Any]:
    """Options of the browser's context; a test's own `parametrize` replaces them."""
    return {}


@pytest.fixture
def browsed(
    browser: Browser, server: ServerProcess, context_options: dict[str, Any]
) -> Iterator[tuple[BrowserContext, Complaints]]:
    """A context whose pages may not complain: no error, no warning, nothing that their policy forbids."""
    with browsing(browser, server.url, **context_options) as (context, complaints):
        yield context, complaints
        assert complaints.unexpected == []


@pytest.fixture
def complaints(browsed: tuple[BrowserContext, Complaints]) -> Complaints:
    return browsed[1]


@pytest.fixture
def page(browsed: tuple[BrowserContext, Complaints]) -> Page:
    return browsed[0].new_page()
