"""What the server answers where it breaks itself: in process, since no request is known that breaks it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from tests.support.envelope import assert_refused

from airboss.api.rates.rates import NoRateLimits
from airboss.app.create import create_app
from airboss.config import load_settings
from airboss.config.runtime_config import to_runtime_config
from airboss.domain.errors import StorageUnavailableError
from airboss.runtime.runtime import Runtime

_SECRET = "sk-in-the-text-of-an-exception"
_ROUTES = (
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a"),
    ("GET", "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a/wait"),
    ("GET", "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a/events"),
    ("POST", "/v1/jobs"),
    ("POST", "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a/cancel"),
    ("POST", "/v1/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a/retry"),
    ("POST", "/v1/coord/queues/offline/pause"),
)


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    (tmp_path / "workspace").mkdir()
    settings = load_settings(
        config_path=None, environ={}, flags={"storage.url": "memory://"}, cwd=tmp_path
    ).settings
    runtime = Runtime(to_runtime_config(settings, {}, tmp_path), lambda _: "")
    await runtime.start()
    yield runtime
    await runtime.stop()


async def _ask(runtime: Runtime, method: str, path: str) -> httpx2.Response:
    transport = httpx2.ASGITransport(create_app(runtime, NoRateLimits()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        body = {"agent": "offline", "input": "x"} if path == "/v1/jobs" and method == "POST" else None
        return await client.request(method, path, json=body)


def _break_store(runtime: Runtime, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise error

    for name in ("get", "list_jobs", "spawn", "request_cancel", "pause_agent", "events"):
        monkeypatch.setattr(runtime.store, name, fail)


@pytest.mark.parametrize(("method", "path"), _ROUTES)
async def test_a_defect_is_a_500_in_the_envelope_without_its_text(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    _break_store(runtime, monkeypatch, RuntimeError(_SECRET))
    answer = await _ask(runtime, method, path)
    assert_refused(answer, "internal")
    assert _SECRET not in answer.text


@pytest.mark.parametrize(("method", "path"), _ROUTES)
async def test_a_store_that_is_away_is_a_503_with_retry_after(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, method: str, path: str
) -> None:
    _break_store(runtime, monkeypatch, StorageUnavailableError(_SECRET))
    answer = await _ask(runtime, method, path)
    assert_refused(answer, "storage_unavailable")
    assert answer.headers["retry-after"] == "2"
    assert _SECRET not in answer.text
