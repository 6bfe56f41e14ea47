"""The commands that talk to a server, as a user and as a script call them."""

import io
import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import jsonschema_rs
import pytest
import yaml
from tests.support.api_jobs import get, run, spawn
from tests.support.command_line import airboss, json_lines
from tests.support.fake_provider import ANSWER, FakeProvider
from tests.support.server import ServerProcess

from airboss.cli import main

_MISSING = "019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a"


@pytest.fixture
def ask(
    busy_server: ServerProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """Run a command against the shared server, in this process: a new one takes a second to import."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AIRBOSS_URL", busy_server.url)

    def ask(*arguments: str, code: int = 0, stdin: str = "") -> str:
        monkeypatch.setattr(sys, "argv", ["airboss", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main.run()
        told = capsys.readouterr()
        assert (ended.value.code or 0) == code, told
        return told.out if code == 0 or told.out else told.err

    return ask


def test_spawn_list_show_watch(ask: Callable[..., str], client: httpx2.Client) -> None:
    job_id, state = ask("jobs", "spawn", "text", "What is a cancel?").split()
    assert state == "pending"
    watched = ask("jobs", "watch", job_id)
    assert "job.completed" in watched
    assert watched.splitlines()[-1] == f"completed: {ANSWER}"
    assert job_id in ask("jobs", "list", "--limit", "5")
    shown = ask("jobs", "show", job_id)
    assert "completed" in shown
    assert shown.rstrip().endswith(ANSWER)
    assert json.loads(ask("jobs", "show", job_id, "--json")) == get(client, job_id)


def test_json_is_one_document_per_line(ask: Callable[..., str], client: httpx2.Client) -> None:
    (job,) = json_lines(
        ask("jobs", "spawn", "quick", '{"a": [1]}', "--json-input", "--json", "--priority", "9")
    )
    assert (job["input"], job["priority"]) == ({"a": [1]}, 9)
    events = json_lines(ask("jobs", "watch", job["id"], "--json"))
    assert [event["type"] for event in events[:-1]][-1] == "job.completed"
    listed = json_lines(
        ask("jobs", "list", "--json", "--state", "completed", "--state", "failed", "--limit", "3")
    )
    assert (
        listed == client.get("/v1/jobs", params={"state": ["completed", "failed"], "limit": 3}).json()["data"]
    )
    agents = json_lines(ask("agents", "--json"))
    assert [agent["name"] for agent in agents] == [
        agent["name"] for agent in client.get("/v1/agents").json()["data"]
    ]


def test_input_from_standard_input_and_a_key(ask: Callable[..., str]) -> None:
    lines = [
        ask(
            "jobs",
            "spawn",
            "quick",
            "-",
            "--idempotency-key",
            "from the shell",
            "--json",
            stdin="from a pipe\n",
        )
        for _ in range(2)
    ]
    jobs = [json.loads(line) for line in lines]
    assert jobs[0]["id"] == jobs[1]["id"]
    assert jobs[0]["input"] == "from a pipe\n"


def test_watching_a_job_that_does_not_complete_exits_3(ask: Callable[..., str]) -> None:
    told = ask("jobs", "spawn", "status-400", "x", "--watch", code=3)
    assert "failed: provider_rejected" in told


def test_cancel(ask: Callable[..., str], client: httpx2.Client, provider: FakeProvider) -> None:
    assert ask("jobs", "cancel", spawn(client, "idle")["id"]).split()[1] == "cancelled"
    calls = provider.calls("hang-first")
    job = spawn(client, "hang-first")
    provider.wait_called("hang-first", calls + 1)
    assert "stopping" in ask("jobs", "cancel", job["id"])
    assert "already_final" in ask("jobs", "cancel", run(client, "quick")["id"], code=1)


def test_events_are_followed_from_anywhere(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    job = run(client, "tool")
    command = [
        sys.executable,
        "-m",
        "airboss",
        "events",
        "--job",
        job["id"],
        "--after",
        "0",
        "--url",
        busy_server.url,
    ]
    for flags in (["--json"],):
        process = subprocess.Popen(
            [*command, *flags],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # A shell's background jobs ignore Ctrl-C, and so would what they start.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
        )
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "job.completed" in line:
                break
        process.send_signal(2)
        _, errors = process.communicate(timeout=15)
        assert process.returncode == 130, errors
        assert "Traceback" not in errors
        kept = client.get(job["links"]["events"], params={"limit": 200}).json()["data"]
        assert [json.loads(line) for line in lines] == kept


def test_agents_are_a_table(ask: Callable[..., str]) -> None:
    header, *rows = ask("agents").splitlines()
    assert header.split()[:3] == ["name", "provider", "model"]
    assert any(row.split()[:3] == ["quick", "offline", "planner"] for row in rows)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("jobs", "spawn", "quikc", "x"), "did you mean 'quick'"),
        (("jobs", "show", _MISSING), "job_not_found"),
        (("jobs", "show", "../agents"), "not_found"),
        (("jobs", "watch", _MISSING), "job_not_found"),
        (("jobs", "cancel", "x"), "job_not_found"),
        (("jobs", "list", "--limit", "0"), "invalid_parameter"),
        (("jobs", "list", "--state", "done"), "invalid_parameter"),
        (("jobs", "spawn", "quick", "{", "--json-input"), "INPUT is not JSON"),
        (("jobs", "spawn", "quick", "x", "--priority", "10"), "invalid_body"),
        (("events", "--types", "nothing"), "invalid_parameter"),
    ],
)
def test_refusals_are_one_line_and_exit_1(
    ask: Callable[..., str], arguments: tuple[str, ...], told: str
) -> None:
    text = ask(*arguments, code=1)
    assert told in text
    assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs", "list"),
        ("jobs", "spawn", "quick", "x"),
        ("agents",),
        ("events",),
        ("jobs", "watch", _MISSING),
    ],
)
def test_without_a_server_it_says_how_to_start_one(
    ask: Callable[..., str], arguments: tuple[str, ...]
) -> None:
    (line,) = ask(*arguments, "--url", "http://127.0.0.1:9", code=1).splitlines()
    assert "http://127.0.0.1:9" in line
    assert "airboss serve" in line


@pytest.mark.parametrize(
    "url", ["nonsense", "http://", "ftp://127.0.0.1", "http://127.0.0.1:x", "http://[::1"]
)
def test_an_address_that_is_none_is_one_line(ask: Callable[..., str], url: str) -> None:
    (line,) = ask("jobs", "list", "--url", url, code=1).splitlines()
    assert line.startswith("airboss: ")


def test_what_is_no_airboss_is_told(ask: Callable[..., str], provider: FakeProvider) -> None:
    assert ask("agents", "--url", provider.base_url, code=1).startswith("airboss: ")


def test_usage_errors_exit_2(ask: Callable[..., str]) -> None:
    for arguments in (("jobs", "nothing"), ("nothing",), ("jobs", "spawn"), ("jobs", "list", "--limit", "x")):
        ask(*arguments, code=2)


def test_the_version(tmp_path: Path) -> None:
    assert re.fullmatch(r"airboss \d+\.\d+\.\d+\S*\n", airboss(tmp_path, "--version").stdout)


# -- settings -----------------------------------------------------------------------------------------------


def test_config_check(tmp_path: Path) -> None:
    assert airboss(tmp_path, "config", "check").stdout.startswith("ok: ")
    (tmp_path / "airboss.yaml").write_text("limits:\n  queue_capacity: none\n  queue_capcity: 1\n")
    done = airboss(tmp_path, "config", "check")
    assert done.returncode == 2
    assert "airboss.yaml:2" in done.stderr
    assert "airboss.yaml:3" in done.stderr
    assert "queue_capacity" in done.stderr


def test_config_check_refuses_what_serve_refuses(tmp_path: Path) -> None:
    (tmp_path / "airboss.yaml").write_text(
        "agents:\n  a: {provider: offline, model: planner, tools: [no.such]}\n"
    )
    assert airboss(tmp_path, "config", "check").returncode == 2
    (tmp_path / "airboss.yaml").write_text("telemetry: {otlp_endpoint: 'http://127.0.0.1:4318'}\n")
    assert airboss(tmp_path, "config", "check").returncode == 2


def test_config_show_tells_origins_and_masks_secrets(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("limits:\n  queue_capacity: 7\n")
    environ = {"AIRBOSS_SERVER__PORT": "8701", "OPENAI_API_KEY": "sk-hidden"}
    done = airboss(tmp_path, "config", "show", "--config", "other.yaml", environ=environ)
    assert done.returncode == 0, done.stderr
    shown = yaml.safe_load(done.stdout)
    assert (shown["limits"]["queue_capacity"], shown["server"]["port"]) == (7, 8701)
    assert "other.yaml" in done.stdout
    assert "AIRBOSS_SERVER__PORT" in done.stdout
    assert "sk-hidden" not in done.stdout
    machine = json.loads(airboss(tmp_path, "config", "show", "--json", environ=environ).stdout)
    assert "sk-hidden" not in json.dumps(machine)


def test_config_schema_is_a_schema(tmp_path: Path) -> None:
    schema = json.loads(airboss(tmp_path, "config", "schema").stdout)
    assert jsonschema_rs.is_valid(schema, {"limits": {"queue_capacity": 7}})
    assert not jsonschema_rs.is_valid(schema, {"limits": {"queue_capcity": 7}})


# -- the demo -----------------------------------------------------------------------------------------------


def test_the_demo_shows_events_and_a_result_and_exits(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "cancel.md").write_text(
        "# Cancel\nA cancel stops the work of a running job at once.\n"
    )
    done = airboss(tmp_path, "demo")
    assert done.returncode == 0, done.stderr
    for text in (
        "job.spawned",
        "tool.called",
        "output.delta",
        "job.completed",
        "completed: ",
        "Dashboard: http://",
    ):
        assert text in done.stdout, text
    assert "cancel.md:2: A cancel stops the work" in done.stdout
    assert not (tmp_path / ".airboss").exists()
    url = re.findall(r"http://\S+/ui/", done.stdout)[-1]
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(url, trust_env=False)


def test_a_demo_that_cannot_start_says_so(tmp_path: Path) -> None:
    (tmp_path / "airboss.yaml").write_text(
        "agents:\n  a: {provider: offline, model: planner, tools: [no.such]}\n"
    )
    done = airboss(tmp_path, "demo")
    assert done.returncode != 0
    assert "no.such" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
