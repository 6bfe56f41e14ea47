"""The process: how it refuses to start, how it stops, what a kill leaves."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from tests.e2e.conftest import settings_of
from tests.support.api_jobs import ended, event_types, run, spawn
from tests.support.command_line import airboss
from tests.support.event_reader import event_stream
from tests.support.fake_provider import FakeProvider
from tests.support.server import ServerProcess, running_server

_NOBODY = 65534


@pytest.fixture
def home(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _serve(home: Path, *arguments: str, settings: str = "", **options: Any) -> tuple[int, list[str]]:
    (home / "airboss.yaml").write_text(settings)
    done = airboss(home, "serve", "--port", "0", *arguments, **options)
    assert "Traceback" not in done.stderr
    assert "ready" not in done.stdout
    lines = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    return done.returncode, lines


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ("server:\n  prot: 8700\n", ["airboss.yaml:2", "server.prot", "port"]),
        ("server:\n  max_connections: many\n", ["airboss.yaml:2", "server.max_connections", "1 or more"]),
        ("limits:\n  queue_capacity: 0\n", ["airboss.yaml:2", "limits.queue_capacity", "1 or more"]),
        ("agents:\n  a:\n    provider: nobody\n", ["airboss.yaml:3", "agents.a.provider", "nobody"]),
        ("server: [\n", ["airboss.yaml:"]),
        ("server:\n  host: 0.0.0.0\n", ["airboss.yaml:2", "server.host", "auth.mode"]),
        ("agents:\n  a:\n    provider: offline\n    tools: [files.lsit]\n", ["agents.a.tools", "files.list"]),
    ],
)
def test_settings_that_are_wrong_exit_2(home: Path, settings: str, told: list[str]) -> None:
    code, lines = _serve(home, settings=settings)
    assert code == 2
    for text in told:
        assert any(text in line for line in lines), lines
    assert not (home / ".airboss").exists()


def test_a_writable_root_that_holds_the_servers_own_data_exits_2(home: Path) -> None:
    code, (line,) = _serve(home, settings="tools: {files: {writable: true, root: .}}")
    assert code == 2
    assert "tools.files.root" in line
    assert "folder apart" in line


def test_settings_that_are_not_served_yet_exit_2_and_are_all_named(home: Path) -> None:
    asked = {
        "storage": {"url": "postgresql://host/db"},
        "telemetry": {"otlp_endpoint": "http://127.0.0.1:4318"},
        "events": {"relay_url": "redis://127.0.0.1:6379"},
    }
    code, lines = _serve(home, settings=yaml.safe_dump(asked))
    assert code == 2
    for name in ("storage.url", "telemetry.otlp_endpoint", "events.relay_url"):
        assert any(name in line and "this version of Airboss has no" in line for line in lines)


def test_an_unknown_variable_exits_2(home: Path) -> None:
    code, lines = _serve(home, environ={"AIRBOSS_SERVER__PROT": "1"})
    assert code == 2
    assert any("AIRBOSS_SERVER__PROT" in line and "AIRBOSS_SERVER__PORT" in line for line in lines), lines


def test_an_unknown_option_and_a_missing_file_exit_2(home: Path) -> None:
    assert airboss(home, "serve", "--nonsense").returncode == 2
    assert airboss(home, "serve", "--config", "nowhere.yaml").returncode == 2


def test_a_taken_port_is_one_line_and_exit_1(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = airboss(home, "serve", "--port", str(port))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "--port" in line


def test_a_port_that_a_server_listens_on_is_taken(home: Path, tmp_path: Path) -> None:
    with running_server(tmp_path / "first") as server:
        done = airboss(home, "serve", "--port", server.url.rpartition(":")[2])
        assert done.returncode == 1
        with server.client() as client:
            assert client.get("/health/ready").status_code == 200


def test_a_port_that_this_folders_own_server_has_is_told_as_that(tmp_path: Path) -> None:
    with running_server(tmp_path / "first") as server:
        port = server.url.rpartition(":")[2]
        done = airboss(server.folder, "serve", "--port", port)
        process_id = server.process.pid
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    database = server.folder / ".airboss" / "airboss.db"
    assert line == (
        f"airboss: cannot listen on 127.0.0.1:{port}: Address already in use; this folder's Airboss runs already: "
        f"{database} is in use by process {process_id}; use that one, or stop it first"
    )
    with running_server(tmp_path / "first"):
        pass  # a look at the lock takes nothing away


def test_a_host_that_is_not_here_is_exit_1(home: Path) -> None:
    code, lines = _serve(home, "--host", "127.0.0.1.invalid")
    assert code in (1, 2)
    assert len(lines) == 1


def test_a_file_in_the_place_of_the_data_dir_is_one_line_and_exit_1(home: Path) -> None:
    (home / ".airboss").write_text("in the way")
    code, lines = _serve(home)
    assert (code, len(lines)) == (1, 1)
    assert ".airboss" in lines[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_data_dir_that_cannot_be_written_is_one_line_and_exit_1(home: Path) -> None:
    for each in (home, *home.parents):
        if each.stat().st_uid == 0 and not each.stat().st_mode & 1 and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o055)
    data = home / "data"
    data.mkdir(mode=0o755)
    (home / "airboss.yaml").write_text("")
    (home / "airboss.yaml").chmod(0o644)
    try:
        done = airboss(home, "serve", "--port", "0", "--data-dir", str(data), user=_NOBODY)
    except PermissionError:
        pytest.skip("another user cannot run this interpreter")
    if "No module named" in done.stderr or "can't open file" in done.stderr:
        pytest.skip("another user cannot read this checkout")
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert "data" in line


def test_a_newer_database_is_one_line_and_exit_1(home: Path) -> None:
    (home / ".airboss").mkdir()
    with sqlite3.connect(home / ".airboss" / "airboss.db") as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    code, lines = _serve(home)
    assert (code, len(lines)) == (1, 1)
    assert "newer" in lines[0]
    assert "99" in lines[0]


@pytest.mark.parametrize("content", [b"this is no database" * 100, b"\x00" * 4096])
def test_a_file_that_is_no_database_is_one_line_and_exit_1(home: Path, content: bytes) -> None:
    (home / ".airboss").mkdir()
    (home / ".airboss" / "airboss.db").write_bytes(content)
    code, lines = _serve(home)
    assert (code, len(lines)) == (1, 1)
    assert "airboss.db" in lines[0]
    assert (home / ".airboss" / "airboss.db").read_bytes() == content


def test_a_second_server_on_a_database_names_the_first(home: Path, tmp_path: Path) -> None:
    with running_server(tmp_path / "first") as first:
        code, lines = _serve(home, "--data-dir", str(first.folder / ".airboss"))
        assert (code, len(lines)) == (1, 1)
        assert str(first.process.pid) in lines[0]
        with first.client() as client:
            assert run(client, "offline")["state"] == "completed"


def test_the_first_lines_say_where_everything_is(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "airboss", "serve", "--port", "0"],
        cwd=home,
        env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=15) == 0
    assert [
        word in line for word, line in zip(("ready", "API", "Dashboard", "Docs"), lines, strict=True)
    ] == [True] * 4
    assert all("http://127.0.0.1:" in line for line in lines[1:])


def test_while_draining_ready_says_no_and_live_says_yes(folder: Path, provider: FakeProvider) -> None:
    calls = provider.calls("gate")
    with running_server(folder, settings_of(provider)) as server, server.client() as client:
        job = spawn(client, "gate")
        provider.wait_called("gate", calls + 1)
        with event_stream(server) as events:
            server.process.send_signal(signal.SIGTERM)
            events.until_end()
        ready = client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["status"] == "not_ready"
        assert ready.json()["checks"]["draining"]["ok"] is False
        assert client.get("/health/live").status_code == 200
        refused = client.post("/v1/jobs", json={"agent": "text", "input": "x"})
        assert refused.status_code == 503
        assert refused.json()["error"]["code"] == "draining"
        assert refused.headers["retry-after"] == "5"
        assert client.post(f"{job['links']['self']}/retry").status_code in (409, 503)
        # Late readers are told at once; reads are answered as things stand.
        with event_stream(server) as late:
            assert late.until_end()[-1].data == {"reason": "draining"}
        assert client.get(job["links"]["self"]).json()["state"] == "running"
        # What runs is given the grace, and its end is the end of the drain.
        provider.open_gate()
        assert server.wait() == 0
        provider.close_gate()
    with running_server(folder, settings_of(provider)) as server, server.client() as client:
        assert client.get(job["links"]["self"]).json()["state"] == "completed"


def test_who_waits_for_the_last_job_of_a_drain_gets_its_end(folder: Path, provider: FakeProvider) -> None:
    """Whether asked before the drain, in it, or with the spawn: the answer comes before the listener closes."""
    calls = provider.calls("gate")
    with running_server(folder, settings_of(provider)) as server, ThreadPoolExecutor(3) as pool:

        def ask(method: str, path: str, **options: Any) -> httpx2.Response:
            with server.client() as client:
                return client.request(method, path, **options)

        body = {"agent": "gate", "input": "x"}
        spawned = pool.submit(ask, "POST", "/v1/jobs", json=body, headers={"Prefer": "wait=60"})
        provider.wait_called("gate", calls + 1)
        (job,) = ask("GET", "/v1/jobs").json()["data"]
        path = f"{job['links']['self']}/wait?timeout_seconds=60"
        before = pool.submit(ask, "GET", path)
        with event_stream(server) as events:
            server.process.send_signal(signal.SIGTERM)
            assert events.until_end()[-1].data == {"reason": "draining"}
        meanwhile = pool.submit(ask, "GET", path)
        # What is asked with a time-out in the drain is answered at the time-out, as it stands.
        assert ask("GET", f"{job['links']['self']}/wait?timeout_seconds=0.2").json()["state"] == "running"
        assert not spawned.done()
        assert not meanwhile.done()
        provider.open_gate()
        assert server.wait() == 0
        provider.close_gate()
        for answer in (spawned, before, meanwhile):
            assert (answer.result().status_code, answer.result().json()["state"]) == (200, "completed")


def test_who_followed_the_last_job_of_a_drain_has_a_moment_to_ask(
    folder: Path, provider: FakeProvider
) -> None:
    calls = provider.calls("gate")
    with running_server(folder, settings_of(provider)) as server:
        with server.client() as client:
            job = spawn(client, "gate")
        provider.wait_called("gate", calls + 1)
        with event_stream(server, job["links"]["events"]) as events:
            server.process.send_signal(signal.SIGTERM)
            events.until_end()
        provider.open_gate()
        assert server.wait() == 0
        provider.close_gate()
        moments = _moments(server)
    # The process's own clock. As long as a request takes to come from far away, and no longer.
    seconds = (moments["server.left"] - moments["job.completed"]).total_seconds()
    assert 0.25 <= seconds <= 0.25 + 1


def test_who_waits_for_a_job_that_a_drain_hands_back_gets_it_as_it_stands(
    folder: Path, provider: FakeProvider
) -> None:
    settings = settings_of(provider) | {"server": {"shutdown_grace_seconds": 0.3}}
    calls = provider.calls("hang-first")
    with running_server(folder, settings) as server, ThreadPoolExecutor(1) as pool:
        with server.client() as client:
            job = spawn(client, "hang-first")
        provider.wait_called("hang-first", calls + 1)
        waiting = pool.submit(
            httpx2.get,
            f"{server.url}{job['links']['self']}/wait?timeout_seconds=60",
            trust_env=False,
            timeout=30,
        )
        with event_stream(server) as events:
            server.process.send_signal(signal.SIGTERM)
            events.until_end()
        assert server.wait() == 0
        answer = waiting.result()
    assert (answer.status_code, answer.json()["state"], answer.json()["attempt"]) == (200, "pending", 0)


def test_a_second_signal_ends_the_grace(folder: Path, provider: FakeProvider) -> None:
    calls = provider.calls("hang-first")
    with running_server(folder, settings_of(provider)) as server, server.client() as client:
        job = spawn(client, "hang-first")
        provider.wait_called("hang-first", calls + 1)
        with event_stream(server) as events:
            server.process.send_signal(signal.SIGTERM)
            events.until_end()
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.wait() == 0
        assert time.monotonic() - began < 3
    with running_server(folder, settings_of(provider)) as server, server.client() as client:
        provider.wait_called("hang-first", calls + 2)
        assert client.get(job["links"]["self"]).json()["attempt"] == 1
        assert "job.interrupted" in event_types(client, job["id"])


def _moments(server: ServerProcess) -> dict[str, datetime]:
    """When each thing was logged, the last of each kind."""
    lines = map(json.loads, server.log.splitlines())
    return {line["event"]: datetime.fromisoformat(line["time"]) for line in lines}


def test_the_grace_ends_by_itself(folder: Path, provider: FakeProvider) -> None:
    settings = settings_of(provider) | {"server": {"shutdown_grace_seconds": 0.5}}
    calls = provider.calls("hang-first")
    with running_server(folder, settings) as server, server.client() as client:
        spawn(client, "hang-first")
        provider.wait_called("hang-first", calls + 1)
        assert server.stop() == 0
        assert '"running":1' in next(line for line in server.log.splitlines() if "server.draining" in line)
        assert "Stopping" not in server.log
        moments = _moments(server)
    # The process's own clock: what the machine needs to end a process is not the grace's.
    seconds = (moments["server.left"] - moments["server.draining"]).total_seconds()
    assert 0.5 <= seconds <= 0.5 + 1


def test_nothing_is_lost_by_kill_9(folder: Path, provider: FakeProvider) -> None:
    settings = settings_of(provider)
    calls = provider.calls("gate")
    jobs: list[dict[str, Any]] = []
    with running_server(folder, settings) as server, server.client() as client:
        client.post("/v1/coord/queues/idle/pause").raise_for_status()
        done = run(client, "text")
        running = spawn(client, "gate")
        provider.wait_called("gate", calls + 1)
        jobs += [spawn(client, "idle") for _ in range(10)]
        future = spawn(client, "quick", run_at="2999-01-01T00:00:00Z")
        key = {"Idempotency-Key": "survives"}
        keyed = client.post("/v1/jobs", json={"agent": "idle", "input": "once"}, headers=key).json()
        with event_stream(server) as events:
            # The newest job's events are on disk when it was answered: nothing is waited for here.
            server.kill()
            assert events.frames == []
    provider.open_gate()
    with running_server(folder, settings) as server, server.client() as client:
        again = ended(client, running["id"])
        assert (again["state"], again["attempt"]) == ("completed", 2)
        assert [kind for kind in event_types(client, running["id"]) if kind.startswith("job.")] == [
            "job.spawned", "job.started", "job.interrupted", "job.started", "job.completed",
        ]  # fmt: skip
        assert client.get(done["links"]["self"]).json() == done
        assert client.get("/v1/agents/idle").json()["paused"] is True
        assert [client.get(job["links"]["self"]).json()["state"] for job in jobs] == ["pending"] * 10
        assert [client.get(job["links"]["self"]).json()["queue_position"] for job in jobs] == list(
            range(1, 11)
        )
        assert client.get(future["links"]["self"]).json()["state"] == "pending"
        replay = client.post("/v1/jobs", json={"agent": "idle", "input": "once"}, headers=key)
        assert replay.headers["idempotent-replayed"] == "true"
        assert replay.json()["id"] == keyed["id"]
        newer = spawn(client, "idle")
        assert newer["id"] > keyed["id"]
        client.post("/v1/coord/queues/idle/resume").raise_for_status()
        states = {ended(client, job["id"])["state"] for job in (*jobs, keyed, newer)}
        assert states == {"completed"}
        provider.close_gate()


def test_a_job_whose_agent_left_the_settings_fails_and_says_so(folder: Path, provider: FakeProvider) -> None:
    settings = settings_of(provider)
    with running_server(folder, settings) as server, server.client() as client:
        client.post("/v1/coord/queues/idle/pause").raise_for_status()
        job = spawn(client, "idle")
        server.stop()
    del settings["agents"]["idle"]
    with running_server(folder, settings) as server, server.client() as client:
        left = ended(client, job["id"])
        assert (left["state"], left["error"]["code"]) == ("failed", "agent_removed")
        assert client.get("/v1/jobs", params={"agent": "idle"}).json()["data"]
        retried = client.post(f"{job['links']['self']}/retry")
        assert retried.status_code == 404
        assert retried.json()["error"]["code"] == "unknown_agent"


def test_spawns_that_race_with_a_kill_are_acknowledged_or_not_there(
    folder: Path, provider: FakeProvider
) -> None:
    settings = settings_of(provider)
    acknowledged: list[str] = []
    with running_server(folder, settings) as server, server.client() as client:
        enough = threading.Event()

        def spawn_on() -> None:
            with server.client() as own:
                while True:
                    try:
                        answer = own.post("/v1/jobs", json={"agent": "quick", "input": "x"})
                    except Exception:  # noqa: BLE001 - the server was killed
                        return
                    if answer.status_code == 202:
                        acknowledged.append(answer.json()["id"])
                    if len(acknowledged) > 100:
                        enough.set()

        threads = [threading.Thread(target=spawn_on) for _ in range(4)]
        for thread in threads:
            thread.start()
        assert enough.wait(20)
        server.kill()
        for thread in threads:
            thread.join()
    with running_server(folder, settings) as server, server.client() as client:
        for job_id in acknowledged:
            assert ended(client, job_id)["state"] == "completed"


def test_a_kept_database_is_private(folder: Path) -> None:
    with running_server(folder) as server:
        assert (server.folder / ".airboss").stat().st_mode & 0o077 == 0
        assert shutil.disk_usage(folder).free > 0


def test_settings_of_the_environment_win(folder: Path) -> None:
    with (
        running_server(
            folder,
            {"limits": {"queue_capacity": 3}},
            {"AIRBOSS_LIMITS__QUEUE_CAPACITY": "7", "AIRBOSS_CONFIG": "airboss.yaml"},
        ) as server,
        server.client() as client,
    ):
        assert "airboss_queue_capacity 7.0" in client.get("/metrics").text
    assert yaml.safe_load((folder / "airboss.yaml").read_text()) == {"limits": {"queue_capacity": 3}}
