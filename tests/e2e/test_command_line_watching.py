"""Watching over restarts, broken connections, Ctrl-C and readers that go away."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.e2e.conftest import settings_of
from tests.support.api_jobs import get, run, spawn
from tests.support.command_line import airboss, json_lines
from tests.support.fake_provider import ANSWER, FakeProvider
from tests.support.server import ServerProcess, running_server, start_server

from airboss.cli.exit_codes import ExitCode

_DEADLINE_SECONDS = 30


@contextmanager
def command(url: str, folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command with its output in a pipe."""
    process = subprocess.Popen(
        [sys.executable, "-m", "airboss", *arguments, "--url", url],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs ignore Ctrl-C, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=_DEADLINE_SECONDS)


def lines_until(process: subprocess.Popen[str], text: str) -> list[str]:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"{text!r} did not come: {lines}")


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        taken: int = probe.getsockname()[1]
        return taken


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_a_watch_goes_on_over_a_restart(folder: Path, port: int, provider: FakeProvider, how: str) -> None:
    settings = settings_of(provider) | {"server": {"shutdown_grace_seconds": 0.1}}
    server = start_server(folder, settings, port=port)
    try:
        calls = provider.calls("gate")
        with server.client() as client:
            job = spawn(client, "gate")
        provider.wait_called("gate", calls + 1)
        with command(server.url, folder, "jobs", "watch", job["id"], "--json") as watch:
            seen = lines_until(watch, '"model.called"')
            if how == "kill":
                server.kill()
            else:
                assert server.stop() == 0
            assert watch.stderr is not None
            told = watch.stderr.readline()
            assert "the connection is lost" in told or "draining" in told
            server = start_server(folder, settings, port=port)
            provider.open_gate()
            told, errors = watch.communicate(timeout=_DEADLINE_SECONDS)
        assert watch.returncode == 0, errors
        assert errors.count("the connection is lost") <= 1, errors
        # A server that says it drains, and is back before the next look, was never lost.
        assert how == "stop" or errors.count("connected again") == 1, errors
        events = [json.loads(line) for line in [*seen, *told.splitlines()]]
        with server.client() as client:
            kept = client.get(job["links"]["events"], params={"limit": 200}).json()["data"]
        # No gap and no double, however often the connection was made anew.
        assert [event for event in events if "id" in event] == kept
        assert kept[-1]["type"] == "job.completed"
    finally:
        provider.close_gate()
        server.kill()


def test_a_server_that_stays_away_is_waited_for_no_longer_than_asked(
    folder: Path, provider: FakeProvider
) -> None:
    server = start_server(folder, settings_of(provider))
    calls = provider.calls("hang-first")
    with server.client() as client:
        job = spawn(client, "hang-first")
    provider.wait_called("hang-first", calls + 1)
    with command(server.url, folder, "jobs", "watch", job["id"], "--reconnect-seconds", "0.5") as watch:
        lines_until(watch, "model.called")
        server.kill()
        _, errors = watch.communicate(timeout=_DEADLINE_SECONDS)
    assert watch.returncode == ExitCode.UNREACHABLE
    assert f"airboss jobs watch {job['id']}" in errors.splitlines()[-1]
    assert "Traceback" not in errors


@pytest.mark.parametrize("how", [("jobs", "watch", "ID"), ("jobs", "watch", "ID", "--json")])
def test_a_job_that_ends_in_a_drain_is_told(
    folder: Path, provider: FakeProvider, how: tuple[str, ...]
) -> None:
    settings = settings_of(provider) | {"server": {"shutdown_grace_seconds": 10}}
    server = start_server(folder, settings)
    try:
        calls, hanging = provider.calls("gate"), provider.calls("hang-first")
        with server.client() as client:
            job = spawn(client, "gate")
            spawn(client, "hang-first")
            provider.wait_called("gate", calls + 1)
            # It keeps the server in its drain while the other ends.
            provider.wait_called("hang-first", hanging + 1)
            arguments = [job["id"] if word == "ID" else word for word in how]
            with command(server.url, folder, *arguments) as watch:
                seen = lines_until(watch, "model.called")
                server.process.terminate()
                assert watch.stderr is not None
                assert watch.stderr.readline() == "airboss: the server is draining\n"
                provider.open_gate()
                told, errors = watch.communicate(timeout=_DEADLINE_SECONDS)
        assert (watch.returncode, errors) == (0, "")
        assert "job.completed" in told
        if "--json" not in how:
            assert told.endswith(f"\n\ncompleted: {ANSWER}\n")
        else:
            ids = [json.loads(line)["id"] for line in [*seen, *told.splitlines()]]
            assert ids == sorted(set(ids), key=int)
    finally:
        provider.close_gate()
        server.kill()


@pytest.mark.parametrize("ends", ["completed", "timed_out"])
@pytest.mark.parametrize("how", ["lines", "json", "wait"])
def test_the_last_job_of_a_drain_is_told_before_the_server_is_gone(
    folder: Path, provider: FakeProvider, how: str, ends: str
) -> None:
    server = start_server(folder, settings_of(provider) | {"server": {"shutdown_grace_seconds": 10}})
    arguments = {"lines": ["--watch"], "json": ["--watch", "--json"], "wait": ["--wait"]}[how]
    limit = ["--timeout-seconds", "1.5"] if ends == "timed_out" else []
    try:
        calls = provider.calls("gate")
        with command(server.url, folder, "jobs", "spawn", "gate", "x", *arguments, *limit) as following:
            provider.wait_called("gate", calls + 1)
            if how != "wait":
                lines_until(following, "model.called")
            server.process.terminate()
            if how != "wait":
                assert following.stderr is not None
                assert following.stderr.readline() == "airboss: the server is draining\n"
            if ends == "completed":
                provider.open_gate()
            told, errors = following.communicate(timeout=_DEADLINE_SECONDS)
            assert server.wait() == 0
        assert following.returncode == (0 if ends == "completed" else ExitCode.JOB_TIMED_OUT), errors
        assert "Traceback" not in errors
        assert "lost" not in errors
        assert f"job.{ends}" in told or how == "wait"
        assert ANSWER in told or ends == "timed_out"
    finally:
        provider.close_gate()
        server.kill()


@pytest.mark.parametrize("how", [("--watch",), ("--watch", "--json"), ("--wait",)])
def test_a_job_that_is_handed_back_is_told_so(
    folder: Path, provider: FakeProvider, how: tuple[str, ...]
) -> None:
    settings = settings_of(provider) | {"server": {"shutdown_grace_seconds": 1.5}}
    calls = provider.calls("hang-first")
    with (
        running_server(folder, settings) as server,
        command(
            server.url, folder, "jobs", "spawn", "hang-first", "x", *how, "--reconnect-seconds", "1"
        ) as following,
    ):
        provider.wait_called("hang-first", calls + 1)
        assert server.stop() == 0
        told, errors = following.communicate(timeout=_DEADLINE_SECONDS)
    assert following.returncode == ExitCode.UNREACHABLE, told
    *before, handed_back, lost, last, advice = errors.splitlines()
    # Who waits has no stream that ends.
    assert ("airboss: the server is draining" in before) == ("--wait" not in how)
    assert handed_back == (
        "airboss: the server leaves and handed the job back to its queue; a server that starts again goes on with it"
    )
    assert lost == "airboss: the connection is lost; trying for 1 s more"
    assert last.startswith(
        "airboss: the job has not ended: the server left and handed it back to its queue; cannot"
    )
    assert "airboss serve" in advice
    assert "airboss jobs watch" in advice


def test_ctrl_c_ends_the_watching_and_not_the_job(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    job = spawn(client, "hang-middle")
    with command(busy_server.url, tmp_path, "jobs", "watch", job["id"]) as watch:
        lines_until(watch, "output.delta")
        watch.send_signal(signal.SIGINT)
        _, errors = watch.communicate(timeout=_DEADLINE_SECONDS)
    assert watch.returncode == ExitCode.INTERRUPTED
    assert "the job goes on" in errors
    assert f"airboss jobs cancel {job['id']}" in errors
    assert "Traceback" not in errors
    assert get(client, job["id"])["state"] == "running"


def test_events_are_followed_from_anywhere(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    job = run(client, "tool")
    with command(busy_server.url, tmp_path, "events", "--job", job["id"], "--after", "0", "--json") as events:
        lines = lines_until(events, "job.completed")
        events.send_signal(signal.SIGINT)
        _, errors = events.communicate(timeout=_DEADLINE_SECONDS)
    assert events.returncode == ExitCode.INTERRUPTED, errors
    assert "Traceback" not in errors
    kept = client.get(job["links"]["events"], params={"limit": 200}).json()["data"]
    assert [json.loads(line) for line in lines] == kept


def test_events_are_filtered(busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path) -> None:
    run(client, "tool"), run(client, "text")
    with command(
        busy_server.url, tmp_path, "events", "--agent", "tool", "--types", "job.spawned,job.completed",
        "--after", "0", "--json",
    ) as events:  # fmt: skip
        lines = lines_until(events, "job.completed")
    told = [json.loads(line) for line in lines]
    assert {event["type"] for event in told} == {"job.spawned", "job.completed"}
    assert {event["data"]["agent"] for event in told} == {"tool"}


@pytest.mark.parametrize(
    "arguments",
    [("jobs", "list", "--all"), ("jobs", "list", "--all", "--json"), ("events", "--after", "0"), ("agents",)],
)
def test_a_reader_that_goes_away_ends_the_command_quietly(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    for _ in range(3):
        run(client, "quick")
    with command(busy_server.url, tmp_path, *arguments) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        # Before it has written anything: every write of it meets a pipe without a reader.
        process.stdout.close()
        assert process.wait(_DEADLINE_SECONDS) == ExitCode.BROKEN_PIPE
        assert process.stderr.read() == ""
        process.stdout = None


def test_a_watch_in_a_pipe_is_lines(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    job = run(client, "tool")
    done = airboss(tmp_path, "jobs", "watch", job["id"], environ={"AIRBOSS_URL": busy_server.url})
    types = [line.split()[2] for line in done.stdout.split("\n\n")[0].splitlines()]
    kept = client.get(job["links"]["events"], params={"limit": 200}).json()["data"]
    assert types == [event["type"] for event in kept]
    assert done.stdout.endswith(f"\n\ncompleted: {ANSWER}\n")
    assert "\x1b" not in done.stdout + done.stderr


def test_json_of_a_watch_holds_no_text_for_people(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    job = run(client, "status-400")
    done = airboss(tmp_path, "jobs", "watch", job["id"], "--json", environ={"AIRBOSS_URL": busy_server.url})
    assert done.returncode == ExitCode.JOB_FAILED
    assert json_lines(done.stdout)[-1]["reason"] == "final"
