"""Writes docs/images/*.png: each page of the dashboard over a server with some jobs, in both themes.

Run it by `make screenshots`. The server, its provider and its jobs are real; only the words are made up.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, Page, expect
from tests.support.api_jobs import ended, spawn
from tests.support.browser import HOW_TO_INSTALL, browsing, chromium, chromium_path
from tests.support.server import ServerProcess, running_server
from tests.support.speaking_provider import SpeakingProvider, speaking_provider

IMAGES = Path(__file__).parents[2] / "docs" / "images"
MAX_BYTES = 200 * 1024
#: Pages of jobs that have ended: no stream is open there.
ENDED = {"job-done-light", "job-done-dark", "failed-phone"}
_INPUTS = (
    "Is release 2026.11 ready to ship? Read the changelog and the test report.",
    "Summarise the open incidents of this week for the on-call handover",
    "Which customers are touched by the change of the retention default?",
    "Draft the answer to ticket A-1742 about the missing export",
    "Compare the invoices of October with the usage we recorded",
)
_TOOLS = ["files.list", "files.read"]


def _settings(provider: SpeakingProvider) -> dict[str, Any]:
    kind = "openai_compatible"
    fast = {"max_attempts": 1, "base_seconds": 0.01}
    breaker = {"minimum_calls": 2, "window_calls": 5, "open_seconds": 600}
    return {
        "providers": {
            "main": {"kind": kind, "base_url": provider.base_url, "fallback": ["spare"]},
            "spare": {
                "kind": kind,
                "base_url": provider.base_url,
                "retry": fast,
                "breaker": breaker,
                "requests_per_minute": 600,
            },
        },
        "agents": {
            "release-check": {"provider": "main", "model": "story", "tools": _TOOLS},
            "incident-notes": {"provider": "main", "model": "story-slow", "tools": _TOOLS},
            "ticket-draft": {
                "provider": "spare",
                "model": "failing",
                "tools": [],
                "max_concurrent_jobs": 2,
            },
            "ledger": {"provider": "main", "model": "refused", "tools": _TOOLS},
            "nightly": {"provider": "offline", "model": "planner", "tools": []},
        },
        "limits": {"max_concurrent_jobs": 8, "queue_capacity": 200},
    }


def _work(client: httpx2.Client) -> dict[str, str]:
    """Spawn jobs of every kind; returns the ids of those that have a picture of their own."""
    client.post("/v1/coord/queues/nightly/pause").raise_for_status()
    metadata = {"ticket": "A-1742", "team": "platform"}
    done = [
        spawn(client, "release-check", text, metadata=metadata)["id"] for text in _INPUTS for _ in range(4)
    ]
    for job_id in done:
        ended(client, job_id)
    failed = [spawn(client, "ticket-draft", _INPUTS[3], metadata=metadata)["id"] for _ in range(4)]
    failed.append(spawn(client, "ledger", _INPUTS[4])["id"])
    for job_id in failed:
        ended(client, job_id)
    for text in _INPUTS[:3]:
        spawn(client, "nightly", text)
    spawn(client, "nightly", _INPUTS[4], run_at="2999-01-01T00:00:00Z")
    cancelled = spawn(client, "nightly", _INPUTS[2])["id"]
    client.post(f"/v1/jobs/{cancelled}/cancel").raise_for_status()
    running = [spawn(client, "incident-notes", text)["id"] for text in _INPUTS[:3]]
    more = [spawn(client, "release-check", text)["id"] for text in _INPUTS]
    for job_id in more:
        ended(client, job_id)
    return {"done": done[-1], "failed": failed[-1], "open": failed[-2], "running": running[0]}


@contextmanager
def _scene() -> Iterator[tuple[ServerProcess, dict[str, str]]]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        workspace = folder / "workspace"
        workspace.mkdir()
        (workspace / "changelog.md").write_text("# Changes\n- The importer reads gzip.\n")
        provider = stack.enter_context(speaking_provider())
        server = stack.enter_context(running_server(folder, _settings(provider)))
        with server.client() as client:
            yield server, _work(client)


def _shoot(page: Page, name: str) -> None:
    path = IMAGES / f"{name}.png"
    page.screenshot(path=path, animations="disabled", caret="hide")
    size_bytes = path.stat().st_size
    sys.stdout.write(f"{path.name}: {size_bytes // 1024} KiB\n")
    if size_bytes > MAX_BYTES:
        raise SystemExit(f"{path.name} is larger than {MAX_BYTES // 1024} KiB")


def _visit(page: Page, name: str, address: str, ready: str) -> None:
    page.goto(address)
    expect(page.locator(ready).first).to_be_visible()
    expect(page.locator("#connection-text")).to_have_text("Complete" if name in ENDED else "Live")
    _shoot(page, name)


def _pages(browser: Browser, server: ServerProcess, jobs: dict[str, str]) -> None:
    for theme in ("light", "dark"):
        with browsing(browser, server.url, color_scheme=theme) as (context, _):
            page = context.new_page()
            _visit(page, f"jobs-{theme}", "/ui/?window=300", ".bar-completed")
            _visit(page, f"job-done-{theme}", f"/ui/jobs/{jobs['done']}", ".segment.lane-tool")
            _visit(page, f"job-running-{theme}", f"/ui/jobs/{jobs['running']}", ".written")
            _visit(page, f"spawn-{theme}", "/ui/spawn", "#about dd")
            _visit(page, f"providers-{theme}", "/ui/providers", "#providers .state")
            _visit(page, f"nodes-{theme}", "/ui/nodes", "#nodes meter")
    small = {"viewport": {"width": 360, "height": 760}, "device_scale_factor": 2, "color_scheme": "dark"}
    with browsing(browser, server.url, **small) as (context, _):
        page = context.new_page()
        _visit(page, "jobs-phone", "/ui/", "#rows .state")
        _visit(page, "failed-phone", f"/ui/jobs/{jobs['failed']}", "#error-title")


def main() -> None:
    if chromium_path() is None:
        raise SystemExit(HOW_TO_INSTALL)
    IMAGES.mkdir(exist_ok=True)
    with _scene() as (server, jobs), chromium() as browser:
        _pages(browser, server, jobs)


if __name__ == "__main__":
    main()
