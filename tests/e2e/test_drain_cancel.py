"""Cancelling what is under way: connections close within a second, nothing follows, everything is given back."""

import os
import random
import re
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import ended, event_types, run, spawn
from tests.support.chaos_provider import ChaosProvider, chaos_provider, chaos_settings, script
from tests.support.event_reader import event_stream
from tests.support.polling import until
from tests.support.server import ServerProcess, running_server

_PROMISED_SECONDS = 1.0
_TIMES = 5
#: Where a job is when it is cancelled: its plan, its pace in ms, and the event that shows it is there.
_PLACES = {
    "before the first byte": ("h", 5, "model.called"),
    "in mid-stream": ("-", 30_000, "output.delta"),
    "inside a tool": ("s", 5, "tool.called"),
    "inside one tool of two, in a later turn": ("fs", 5, "tool.called"),
}


@pytest.fixture(scope="module")
def provider() -> Iterator[ChaosProvider]:
    with chaos_provider() as running:
        yield running


@pytest.fixture(scope="module")
def server(provider: ChaosProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    folder = tmp_path_factory.mktemp("cancel")
    workspace = folder / "workspace"
    workspace.mkdir()
    (workspace / "notes.md").write_text("Two engines run.\n")
    os.mkfifo(workspace / "fifo")
    with running_server(folder, chaos_settings(provider)) as running, running.client() as client:
        run(client, "chaos", script("warm", "wf"))
        yield running


@pytest.fixture
def client(server: ServerProcess) -> Iterator[httpx2.Client]:
    with server.client() as opened:
        yield opened


def _held(server: ServerProcess, client: httpx2.Client) -> dict[str, float]:
    """Return what jobs hold, as the system and the metrics tell it."""
    found = re.findall(r"^(airboss_\w+)(?:{[^}]*})? (\S+)$", client.get("/metrics").text, re.MULTILINE)
    wanted = ("airboss_jobs_running", "airboss_queue_depth", "airboss_provider_calls_in_flight")
    held = {name: float(value) for name, value in found if name.startswith(wanted)}
    assert len(held) == len(wanted), held
    return held | {"descriptors": _descriptors(server)}


def _descriptors(server: ServerProcess) -> int:
    """Count open descriptors but those of the database: its four readers open theirs when first needed."""
    count = 0
    for link in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            count += "airboss.db" not in str(link.readlink())
    return count


def _all_given_back(server: ServerProcess, client: httpx2.Client, before: dict[str, float]) -> None:
    # Less than before is as good: a client of another test may have been on its way out then.
    until(
        lambda: all(held <= before[name] for name, held in _held(server, client).items()),
        f"no more held than before: {before}",
    )


@pytest.mark.parametrize("place", _PLACES)
def test_a_cancel_ends_the_work_and_gives_everything_back(
    server: ServerProcess, client: httpx2.Client, provider: ChaosProvider, place: str
) -> None:
    plan, pace_ms, shown_by = _PLACES[place]
    before = _held(server, client)
    for number in range(_TIMES):
        marker = f"{place.replace(' ', '-')}-{number}"
        job = spawn(client, "chaos", script(marker, plan, pace_ms))
        with event_stream(server, job["links"]["events"]) as events:
            events.until(lambda frame: frame.event == shown_by and frame.data["data"]["step"] == len(plan))
            provider.wait_calls(marker, tools=plan.endswith("s"))
            began = time.monotonic()
            assert client.post(job["links"]["cancel"]).status_code == 202
            provider.wait_gone(marker)
            seconds = time.monotonic() - began
            frames = events.until_end()
        assert seconds < _PROMISED_SECONDS, f"the connection was closed after {seconds:.3f} s"
        assert [frame.event for frame in frames[-2:]] == ["job.cancelled", "stream.end"]
        assert ended(client, job["id"])["state"] == "cancelled"
        # A whole other job later, nothing has followed.
        run(client, "chaos", script(f"after-{marker}", "-"))
        assert event_types(client, job["id"])[-1] == "job.cancelled"
    _all_given_back(server, client, before)


def test_a_fifo_is_refused_and_holds_nobody(server: ServerProcess, client: httpx2.Client) -> None:
    job = run(client, "chaos", script("fifo", "pf"))
    assert job["state"] == "completed"
    assert event_types(client, job["id"]).count("tool.denied") == 1


def test_of_cancel_and_completion_one_wins(server: ServerProcess, client: httpx2.Client) -> None:
    before = _held(server, client)
    with ThreadPoolExecutor(4) as pool:
        verdicts = Counter(pool.map(lambda number: _race(server, number), range(200)))
    assert sum(verdicts.values()) == 200
    assert set(verdicts) <= {(200, "cancelled"), (202, "cancelled"), (409, "completed")}, verdicts
    assert verdicts[202, "cancelled"] > 0, f"no cancel met a running job: {verdicts}"
    assert verdicts[409, "completed"] > 0, f"no job was quicker than its cancel: {verdicts}"
    _all_given_back(server, client, before)


def _race(server: ServerProcess, number: int) -> tuple[int, Any]:
    """Let a job run into its cancel; return the answer to it and how the job ended."""
    chance = random.Random(number)
    with server.client() as client:
        job = spawn(client, "chaos", script(f"race{number}", "-", 6))
        with event_stream(server, job["links"]["events"]) as events:
            events.until_type(
                chance.choice(["job.started", "model.called", "output.delta", "model.answered"])
            )
            answer = client.post(job["links"]["cancel"])
            events.until_end()
        state = ended(client, job["id"])["state"]
        types = event_types(client, job["id"])
    assert sum(kind in ("job.completed", "job.cancelled") for kind in types) == 1, types
    assert types[-1] == f"job.{state}", types
    return answer.status_code, state
