"""A disk that is full, gone or slow: no false 202, ready says no, live says yes, and it recovers by itself."""

import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import ended, get, run, spawn
from tests.support.chaos_provider import ChaosProvider, chaos_provider, chaos_settings, script
from tests.support.command_line import airboss
from tests.support.polling import until
from tests.support.server import ServerProcess, running_server
from tests.support.small_disk import block_disk, filled, small_disk

from airboss.config import load_settings
from airboss.config.runtime_config import to_runtime_config
from airboss.domain.errors import StorageUnavailableError
from airboss.ports.store import StoreOpenError
from airboss.runtime.runtime import Runtime

_DEADLINE_SECONDS = 20.0


@pytest.fixture
def provider() -> Iterator[ChaosProvider]:
    with chaos_provider() as running:
        yield running


def _settings(provider: ChaosProvider, data: Path) -> dict[str, Any]:
    return chaos_settings(provider) | {"server": {"data_dir": str(data / "data")}}


def _spawn(client: httpx2.Client, marker: str) -> httpx2.Response:
    # Large enough that no free corner of the log holds many.
    body = {"agent": "chaos", "input": script(marker, "-"), "metadata": {"room": "x" * 15_000}}
    return client.post("/v1/jobs", json=body)


def _is_refused_well(answer: httpx2.Response) -> bool:
    assert answer.status_code in (202, 503), answer.text
    if answer.status_code == 202:
        return False
    assert answer.json()["error"]["code"] == "storage_unavailable"
    assert answer.json()["error"]["type"] == "overloaded"
    assert int(answer.headers["retry-after"]) >= 1
    return True


def _spawn_until_refused(client: httpx2.Client, name: str) -> list[str]:
    """Spawn until the disk says no, and return the jobs that were acknowledged."""
    acknowledged: list[str] = []
    for number in range(500):
        answer = _spawn(client, f"{name}{number}")
        if _is_refused_well(answer):
            return acknowledged
        acknowledged.append(answer.json()["id"])
    raise AssertionError("the disk was never full")


def _ready(client: httpx2.Client) -> bool:
    assert client.get("/health/live").status_code == 200
    answer = client.get("/health/ready")
    assert answer.json()["checks"]["storage"]["ok"] is (answer.status_code == 200), answer.text
    return answer.status_code == 200


def _markers(client: httpx2.Client) -> set[str]:
    found: set[str] = set()
    query: dict[str, Any] = {"limit": 200}
    while True:
        page = client.get("/v1/jobs", params=query).json()
        found |= {job["input_preview"].split()[0] for job in page["data"]}
        if not page["has_more"]:
            return found
        query["cursor"] = page["next_cursor"]


def _start_work(client: httpx2.Client, provider: ChaosProvider) -> dict[str, Any]:
    """Have a job wait at its model, and know the loop loaded."""
    run(client, "chaos", script("warm", "-"))
    job = spawn(client, "chaos", script("held", "h"))
    provider.wait_calls("held")
    return job


def test_a_full_disk(folder: Path, provider: ChaosProvider) -> None:
    with small_disk(mebibytes=6) as disk:
        settings = _settings(provider, disk)
        with running_server(folder, settings) as server, server.client() as client:
            held = _start_work(client, provider)
            client.post("/v1/coord/queues/chaos/pause").raise_for_status()
            with filled(disk):
                acknowledged = _spawn_until_refused(client, "full")
                until(lambda: not _ready(client), "ready says no")
                assert _is_refused_well(client.post("/v1/coord/queues/chaos/resume"))
                assert get(client, held["id"])["state"] == "running"
                # Its model answers while there is no room to keep the answer.
                provider.let_go()
                provider.wait(lambda: provider.of("held")[0].delivered, "the answer")
                # Another process finds no room either, and says so in one line.
                refused = [f"still{n}" for n in range(5) if _is_refused_well(_spawn(client, f"still{n}"))]
                assert refused
            until(lambda: _ready(client), "ready says yes again")
            assert ended(client, held["id"])["state"] == "completed"
            assert len(provider.of("held")) == 1, "asked once, though its answer could not be kept at first"
            acknowledged.append(_spawn(client, "again").json()["id"])
            server.kill()
        with running_server(folder, settings) as server, server.client() as client:
            assert not _markers(client) & set(refused), "a job that was refused is there"
            assert {get(client, job_id)["state"] for job_id in acknowledged} == {"pending"}
            client.post("/v1/coord/queues/chaos/resume").raise_for_status()
            assert {ended(client, job_id)["state"] for job_id in acknowledged} == {"completed"}
            with filled(disk):
                _spawn_until_refused(client, "late")
                server.kill()
                _starts_or_says_why(folder, settings)


def _starts_or_says_why(folder: Path, settings: dict[str, Any]) -> None:
    """Start on a full disk: the log may hold a free corner for the recovery, or not."""
    before = (folder / "server.log").read_text()
    try:
        with running_server(folder, settings) as server, server.client() as client:
            assert client.get("/health/live").status_code == 200
    except AssertionError:
        told = (folder / "server.log").read_text().removeprefix(before).splitlines()
        (line,) = [line for line in told if not line.startswith("{")]
        assert "airboss.db" in line


def test_a_disk_that_turns_read_only(folder: Path, provider: ChaosProvider) -> None:
    with block_disk() as disk:
        settings = _settings(provider, disk.folder)
        with running_server(folder, settings) as server, server.client() as client:
            held = _start_work(client, provider)
            acknowledged = [_spawn(client, f"before{n}").json()["id"] for n in range(20)]
            disk.turn_read_only()
            assert all(_is_refused_well(_spawn(client, f"after{n}")) for n in range(5))
            assert not _ready(client)
            assert get(client, held["id"])["state"] == "running"
            server.kill()
        disk.unmount()
        disk.mount()
        provider.let_go()
        with running_server(folder, settings) as server, server.client() as client:
            until(lambda: _ready(client), "ready says yes again")
            assert {ended(client, job_id)["state"] for job_id in acknowledged} == {"completed"}
            assert ended(client, held["id"])["state"] == "completed"
            assert not [marker for marker in _markers(client) if marker.startswith("after")]


def test_a_disk_that_hangs(folder: Path, provider: ChaosProvider) -> None:
    with (
        block_disk() as disk,
        running_server(folder, _settings(provider, disk.folder)) as server,
        server.client() as client,
        ThreadPoolExecutor(4) as pool,
    ):
        held = _start_work(client, provider)
        with disk.frozen():
            waiting = [pool.submit(_spawn_alone, server, f"slow{n}") for n in range(4)]
            # The probe of readiness gives up after two seconds; whoever asks for life is answered at once.
            until(lambda: not _ready(client), "ready says no")
            began = time.monotonic()
            assert client.get("/health/live").status_code == 200
            assert time.monotonic() - began < 1
            assert not any(future.done() for future in waiting), "acknowledged by a disk that takes nothing"
        answers = [future.result(_DEADLINE_SECONDS) for future in waiting]
        assert [answer.status_code for answer in answers] == [202] * 4
        until(lambda: _ready(client), "ready says yes again")
        provider.let_go()
        for job in (held, *(answer.json() for answer in answers)):
            assert ended(client, job["id"])["state"] == "completed"


def test_a_drain_on_a_disk_that_hangs(folder: Path, provider: ChaosProvider) -> None:
    with block_disk() as disk:
        settings = _settings(provider, disk.folder)
        settings["server"]["shutdown_grace_seconds"] = 1
        with running_server(folder, settings) as server, server.client() as client:
            held = _start_work(client, provider)
            with disk.frozen():
                server.process.send_signal(signal.SIGTERM)
                provider.wait_gone("held")
                assert server.process.poll() is None, "gone before the job is handed back on disk"
            assert server.wait() == 0
        provider.let_go()
        with running_server(folder, settings) as server, server.client() as client:
            assert ended(client, held["id"])["state"] == "completed"


def _spawn_alone(server: ServerProcess, marker: str) -> httpx2.Response:
    with server.client() as client:
        return _spawn(client, marker)


@contextmanager
def _locked(database: Path, seconds: float) -> Iterator[threading.Event]:
    """Lock a database as a backup tool might, for so long; the event tells when it has let go."""
    let_go = threading.Event()
    with closing(sqlite3.connect(database, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")

        def release() -> None:
            other.execute("ROLLBACK")
            let_go.set()

        timer = threading.Timer(seconds, release)
        timer.start()
        try:
            yield let_go
        finally:
            timer.join()


def test_a_database_that_another_process_locks(folder: Path, provider: ChaosProvider) -> None:
    with (
        running_server(folder, chaos_settings(provider)) as server,
        server.client() as client,
        ThreadPoolExecutor(8) as pool,
    ):
        held = _start_work(client, provider)
        with _locked(folder / ".airboss" / "airboss.db", seconds=8) as let_go:
            spawning = [pool.submit(_spawn_alone, server, f"locked{n}") for n in range(8)]
            provider.let_go()
            until(lambda: not _ready(client), "ready says no")
            assert get(client, held["id"])["state"] == "running"
            answers = [future.result(_DEADLINE_SECONDS) for future in spawning]
            refused = {f"locked{n}" for n, answer in enumerate(answers) if _is_refused_well(answer)}
            assert refused, "nobody was told within the eight seconds"
            assert let_go.wait(_DEADLINE_SECONDS)
        until(lambda: _ready(client), "ready says yes again")
        assert ended(client, held["id"])["state"] == "completed"
        assert not _markers(client) & refused
        for answer in answers:
            if answer.status_code == 202:
                assert ended(client, answer.json()["id"])["state"] == "completed"
        assert run(client, "chaos", script("after", "-"))["state"] == "completed"


@pytest.mark.parametrize("begin", [0, 4096 * 3 + 100])
def test_a_damaged_database_is_one_line_and_exit_1(folder: Path, provider: ChaosProvider, begin: int) -> None:
    with running_server(folder, chaos_settings(provider)) as server, server.client() as client:
        for number in range(20):
            assert _spawn(client, f"m{number}").status_code == 202
        assert server.stop() == 0
    database = folder / ".airboss" / "airboss.db"
    sound = database.read_bytes()
    damaged = sound[:begin] + b"\xa5" * 4096 + sound[begin + 4096 :]
    database.write_bytes(damaged)
    done = airboss(folder, "serve", "--port", "0")
    assert done.returncode == 1
    # What is logged before stands there too, as JSON.
    line, *advice = (line for line in done.stderr.splitlines() if not line.startswith("{"))
    assert "airboss.db" in line
    assert "backup" in done.stderr
    assert all(each.startswith("airboss: next: ") for each in advice), done.stderr
    assert database.read_bytes() == damaged


@pytest.mark.parametrize("method", ["event_bounds", "recover"])
async def test_a_store_that_opens_and_cannot_be_recovered_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    settings = load_settings(
        config_path=None, environ={}, flags={"storage.url": "memory://"}, cwd=tmp_path
    ).settings
    runtime = Runtime(to_runtime_config(settings, {}, tmp_path), lambda _: "")

    async def fail(*_: object) -> None:
        raise StorageUnavailableError("database or disk is full")

    monkeypatch.setattr(runtime.store, method, fail)
    with pytest.raises(StoreOpenError, match="database or disk is full"):
        await runtime.start()
    await runtime.stop()
