"""The commands that talk to a server, as scripts call them: what they write, and their exit codes."""

import io
import json
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest
from tests.support.api_jobs import ended, get, run, spawn
from tests.support.command_line import airboss, json_lines
from tests.support.fake_provider import ANSWER, FakeProvider
from tests.support.server import ServerProcess

from airboss.cli import main
from airboss.cli.exit_codes import ExitCode

_MISSING = "019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a"


@pytest.fixture
def ask(
    busy_server: ServerProcess,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """Run a command against the shared server, in this process: a new one takes time to import."""
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
    assert re.search(r"^State +completed$", shown, re.MULTILINE)
    assert re.search(r"^Start to end +\d", shown, re.MULTILINE)
    assert re.search(r"^Usage +1 model call, 11 tokens in, 7 out$", shown, re.MULTILINE)
    assert "\nInput\nWhat is a cancel?\n" in shown
    assert shown.endswith(f"\nOutput\n{ANSWER}\n")
    assert json.loads(ask("jobs", "show", job_id, "--json")) == get(client, job_id)


def test_json_is_one_document_per_line(ask: Callable[..., str], client: httpx2.Client) -> None:
    (job,) = json_lines(ask("jobs", "spawn", "quick", "--input-json", '{"a": [1]}', "--json"))
    assert job["input"] == {"a": [1]}
    events = json_lines(ask("jobs", "watch", job["id"], "--json"))
    assert [event["type"] for event in events[:-1]][-1] == "job.completed"
    listed = json_lines(
        ask("jobs", "list", "--json", "--state", "completed", "--state", "failed", "--limit", "3")
    )
    asked = client.get("/v1/jobs", params={"state": ["completed", "failed"], "limit": 3})
    assert listed == asked.json()["data"]
    for collection in ("agents", "providers"):
        assert json_lines(ask(collection, "--json")) == client.get(f"/v1/{collection}").json()["data"]
    assert json.loads(ask("agents", "show", "quick", "--json")) == client.get("/v1/agents/quick").json()
    models = client.get("/v1/providers/offline/models").json()["data"]
    assert json_lines(ask("providers", "models", "offline", "--json")) == models


def test_every_option_of_spawn_reaches_the_server(ask: Callable[..., str], client: httpx2.Client) -> None:
    told = ask(
        "jobs", "spawn", "idle", "--input", "later", "--priority", "9", "--timeout-seconds", "12.5",
        "--max-queue-wait-seconds", "60", "--run-at", "2099-01-01T00:00:00Z", "--metadata", "ticket=A-17",
        "--metadata", "note=a=b", "--json",
    )  # fmt: skip
    job = get(client, json.loads(told)["id"])
    assert (job["input"], job["priority"], job["timeout_seconds"]) == ("later", 9, 12.5)
    assert (job["max_queue_wait_seconds"], job["run_at"]) == (60.0, "2099-01-01T00:00:00.000Z")
    assert job["metadata"] == {"ticket": "A-17", "note": "a=b"}
    nested = ask("jobs", "spawn", "idle", "x", "--metadata", '{"a": {"b": [1]}}', "--json")
    assert json.loads(nested)["metadata"] == {"a": {"b": [1]}}


@pytest.mark.parametrize("form", [["-"], ["--input", "-"]])
def test_input_from_standard_input_and_a_key(ask: Callable[..., str], form: list[str]) -> None:
    command = ["jobs", "spawn", "quick", *form, "--idempotency-key", f"shell {form}", "--json"]
    jobs = [json.loads(ask(*command, stdin="from a pipe\n")) for _ in range(2)]
    assert jobs[0]["id"] == jobs[1]["id"]
    assert jobs[0]["input"] == "from a pipe\n"


def test_json_from_standard_input(ask: Callable[..., str]) -> None:
    told = ask("jobs", "spawn", "quick", "--input-json", "-", "--json", stdin='[1, {"a": null}]')
    assert json.loads(told)["input"] == [1, {"a": None}]


def test_waiting_writes_the_output_and_nothing_else(ask: Callable[..., str]) -> None:
    assert ask("jobs", "spawn", "text", "x", "--wait") == f"{ANSWER}\n"
    (job,) = json_lines(ask("jobs", "spawn", "text", "x", "--wait", "--json"))
    assert (job["state"], job["output"]) == ("completed", ANSWER)


@pytest.mark.parametrize("how", ["--wait", "--watch"])
def test_each_way_to_end_has_its_exit_code(
    ask: Callable[..., str], client: httpx2.Client, provider: FakeProvider, how: str
) -> None:
    failed = ask("jobs", "spawn", "status-400", "x", how, code=ExitCode.JOB_FAILED)
    assert "failed: provider_rejected" in failed
    assert "airboss agents show status-400" in failed
    timed_out = ask(
        "jobs", "spawn", "hang-first", "x", how, "--timeout-seconds", "0.2", code=ExitCode.JOB_TIMED_OUT
    )
    assert "timed_out: job_timeout" in timed_out
    assert "--timeout-seconds" in timed_out
    job = spawn(client, "idle")
    client.post(job["links"]["cancel"])
    ask("jobs", "watch", job["id"], code=ExitCode.JOB_CANCELLED)


def test_a_job_that_failed_is_shown_with_what_to_do(ask: Callable[..., str], client: httpx2.Client) -> None:
    job = run(client, "status-401")
    shown = ask("jobs", "show", job["id"])
    assert "Error  provider_auth: " in shown
    assert f"'airboss jobs retry {job['id']}'" in shown


def test_the_list_is_filtered_and_walked(ask: Callable[..., str], client: httpx2.Client) -> None:
    ids = [spawn(client, "idle", f"walk {number}")["id"] for number in range(3)]
    walk = ["jobs", "list", "--agent", "idle", "--state", "pending"]
    first = client.get("/v1/jobs", params={"agent": "idle", "state": "pending", "limit": 1}).json()
    (newest,) = json_lines(ask(*walk, "--limit", "1", "--json"))
    assert newest["id"] == ids[2]
    (second,) = json_lines(ask(*walk, "--limit", "1", "--json", "--cursor", first["next_cursor"]))
    assert second["id"] == ids[1]
    assert [job["id"] for job in json_lines(ask(*walk, "--all", "--json"))][:3] == ids[::-1]
    rows = ask(*walk, "--all").splitlines()
    assert rows[0].split() == ["id", "state", "agent", "created", "input"]
    # Whole values, and a moment that a program can read: nobody's terminal has a width here.
    job_id, state, agent, created, text = re.split(" {2,}", rows[1])
    assert (job_id, state, agent, text) == (ids[2], "pending", "idle", "walk 2")
    assert datetime.fromisoformat(created) <= datetime.now(UTC)


def test_a_cut_list_says_how_to_go_on(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    spawn(client, "idle"), spawn(client, "idle")
    done = airboss(
        tmp_path, "jobs", "list", "--limit", "1", "--json", environ={"AIRBOSS_URL": busy_server.url}
    )
    cursor = client.get("/v1/jobs", params={"limit": 1}).json()["next_cursor"]
    assert len(json_lines(done.stdout)) == 1
    assert f"--cursor {cursor}" in done.stderr


def test_cancel(ask: Callable[..., str], client: httpx2.Client, provider: FakeProvider) -> None:
    assert ask("jobs", "cancel", spawn(client, "idle")["id"]).split()[1] == "cancelled"
    calls = provider.calls("hang-first")
    job = spawn(client, "hang-first")
    provider.wait_called("hang-first", calls + 1)
    assert "stopping" in ask("jobs", "cancel", job["id"])
    assert "already_final" in ask("jobs", "cancel", run(client, "quick")["id"], code=ExitCode.REFUSED)


def test_cancel_waits_for_the_end(
    ask: Callable[..., str], client: httpx2.Client, provider: FakeProvider
) -> None:
    calls = provider.calls("hang-first")
    job = spawn(client, "hang-first")
    provider.wait_called("hang-first", calls + 1)
    assert ask("jobs", "cancel", job["id"], "--wait").split() == [job["id"], "cancelled"]
    assert get(client, job["id"])["state"] == "cancelled"


def test_retry(ask: Callable[..., str], client: httpx2.Client) -> None:
    job = run(client, "text", "once more")
    new_id, _ = ask("jobs", "retry", job["id"]).split()
    assert ended(client, new_id)["retry_of"] == job["id"]
    assert ask("jobs", "retry", job["id"], "--wait") == f"{ANSWER}\n"
    told = ask("jobs", "retry", spawn(client, "idle")["id"], code=ExitCode.REFUSED)
    assert "not_final" in told


def test_agents_and_providers_are_tables(ask: Callable[..., str]) -> None:
    header, *rows = ask("agents").splitlines()
    assert header.split()[:3] == ["name", "provider", "model"]
    assert any(row.split()[:3] == ["quick", "offline", "planner"] for row in rows)
    assert ask("agents") == ask("agents", "list")
    assert re.search(r"^Model +planner$", ask("agents", "show", "quick"), re.MULTILINE)
    header, *rows = ask("providers").splitlines()
    assert header.split()[:2] == ["name", "kind"]
    assert any(row.split()[:2] == ["fake", "openai_compatible"] for row in rows)
    assert ask("providers", "models", "offline").split() == ["model", "planner"]


@pytest.mark.parametrize(
    ("arguments", "told", "advice"),
    [
        (("jobs", "spawn", "quikc", "x"), "did you mean 'quick'", "airboss agents"),
        (("jobs", "show", _MISSING), "job_not_found", "airboss jobs list"),
        (("jobs", "show", "../agents"), "not_found", ""),
        (("jobs", "watch", _MISSING), "job_not_found", "airboss jobs list"),
        (("jobs", "cancel", "x"), "job_not_found", "airboss jobs list"),
        (("jobs", "list", "--limit", "0"), "invalid_parameter", "--help"),
        (("jobs", "list", "--state", "done"), "invalid_parameter", "--help"),
        (("jobs", "list", "--cursor", "x"), "invalid_parameter", "--help"),
        (("jobs", "spawn", "quick", "x", "--priority", "10"), "invalid_body", "--help"),
        (("jobs", "spawn", "quick", "x", "--run-at", "soon"), "invalid_body", "--help"),
        (("events", "--types", "nothing"), "invalid_parameter", "--help"),
        (("agents", "show", "nobody"), "unknown_agent", "airboss agents"),
        (("providers", "models", "nobody"), "unknown_provider", "airboss providers"),
    ],
)
def test_a_refusal_says_why_and_what_to_do_next(
    ask: Callable[..., str], arguments: tuple[str, ...], told: str, advice: str
) -> None:
    why, what_next = ask(*arguments, code=ExitCode.REFUSED).splitlines()
    assert told in why
    assert what_next.startswith("airboss: next: ")
    assert advice in what_next


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs", "list"),
        ("jobs", "spawn", "quick", "x"),
        ("jobs", "spawn", "quick", "x", "--wait"),
        ("agents",),
        ("events",),
        ("jobs", "watch", _MISSING),
    ],
)
def test_without_a_server_it_says_how_to_start_one(
    ask: Callable[..., str], arguments: tuple[str, ...]
) -> None:
    told = ask(*arguments, "--url", "http://127.0.0.1:9", code=ExitCode.UNREACHABLE)
    assert "cannot reach http://127.0.0.1:9: is the server running?" in told
    assert "airboss serve" in told
    assert "--url" in told


@pytest.mark.parametrize(
    "url", ["nonsense", "http://", "ftp://127.0.0.1", "http://127.0.0.1:x", "http://[::1", ""]
)
def test_an_address_that_is_none_is_wrong_usage(ask: Callable[..., str], url: str) -> None:
    (line,) = ask("jobs", "list", "--url", url, code=ExitCode.USAGE).splitlines()
    assert "is no address of a server" in line


@pytest.mark.parametrize("end", ["/", "/v1", "/v1/"])
def test_the_address_that_serve_prints_is_taken(
    ask: Callable[..., str], busy_server: ServerProcess, end: str
) -> None:
    assert "quick" in ask("agents", "--url", busy_server.url + end)


def test_tls_to_a_server_without_it_is_told(ask: Callable[..., str], busy_server: ServerProcess) -> None:
    url = busy_server.url.replace("http:", "https:")
    why, what_next = ask("agents", "--url", url, code=ExitCode.UNREACHABLE).splitlines()
    assert "does not speak TLS" in why
    assert what_next == f"airboss: next: use {busy_server.url}"


@pytest.mark.parametrize("token", [" secret\n", "\tsecret\r\n", "\n"])
def test_white_space_around_a_token_is_no_part_of_it(
    ask: Callable[..., str], monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("AIRBOSS_TOKEN", token)
    assert "quick" in ask("agents")


@pytest.mark.parametrize("token", ["se\ncret", "se\x00cret", "s\xe9cret", "se\x7fcret"])
def test_a_token_that_no_header_can_hold_is_wrong_usage(ask: Callable[..., str], token: str) -> None:
    (line,) = ask("agents", "--token", token, code=ExitCode.USAGE).splitlines()
    assert "no HTTP header can hold" in line
    assert token not in line


def test_what_is_no_airboss_is_told(ask: Callable[..., str], provider: FakeProvider) -> None:
    told = ask("agents", "--url", provider.base_url, code=ExitCode.UNREACHABLE)
    assert told.startswith("airboss: ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("jobs", "nothing"), "No such command"),
        (("nothing",), "No such command"),
        (("jobs", "spawn"), "Missing argument"),
        (("jobs", "list", "--limit", "x"), "--limit"),
        (("jobs", "spawn", "quick"), "give what to ask: as INPUT"),
        (("jobs", "spawn", "quick", "a", "--input", "b"), "give what to ask once"),
        (("jobs", "spawn", "quick", "--input-json", "{"), "--input-json is not JSON"),
        (("jobs", "spawn", "quick", "--input-json", "NaN"), "--input-json is not JSON"),
        (("jobs", "spawn", "quick", "--input-json", "[" * 100_000), "--input-json is not JSON"),
        (("jobs", "spawn", "quick", "a", "--metadata", "b"), "--metadata 'b'"),
        (("jobs", "spawn", "quick", "a", "--metadata", "{"), "--metadata is not JSON"),
        (("jobs", "spawn", "quick", "a\udcff"), "UTF-8"),
        (("jobs", "spawn", "quick", "a", "--idempotency-key", "ä"), "--idempotency-key"),
    ],
)
def test_wrong_usage_exits_2(ask: Callable[..., str], arguments: tuple[str, ...], told: str) -> None:
    assert told in ask(*arguments, code=ExitCode.USAGE)


def test_the_version(tmp_path: Path) -> None:
    assert re.fullmatch(r"airboss \d+\.\d+\.\d+\S*\n", airboss(tmp_path, "--version").stdout)


def test_without_settings_the_default_address_is_asked(tmp_path: Path) -> None:
    """The command line knows the default without loading the settings; both must mean the same."""
    shown = json.loads(airboss(tmp_path, "config", "show", "--json").stdout)
    assert shown["server.port"]["value"] == 8700, shown


def test_the_settings_say_where_the_server_is(tmp_path: Path) -> None:
    (tmp_path / "airboss.yaml").write_text("server: {port: 9}\n")
    (tmp_path / "other.yaml").write_text("server: {port: 11}\n")
    told = [
        airboss(tmp_path, "agents", *arguments, environ=environ)
        for arguments, environ in (
            ((), {}),
            (("--config", "other.yaml"), {}),
            ((), {"AIRBOSS_SERVER__PORT": "12"}),
            (("--url", "http://127.0.0.1:13"), {}),
        )
    ]
    assert [done.returncode for done in told] == [ExitCode.UNREACHABLE] * 4
    for done, port in zip(told, (9, 11, 12, 13), strict=True):
        assert f"http://127.0.0.1:{port}:" in done.stderr
    (tmp_path / "airboss.yaml").write_text("server: {prot: 9}\n")
    done = airboss(tmp_path, "agents")
    assert (done.returncode, "did you mean" in done.stderr or "port" in done.stderr) == (ExitCode.USAGE, True)
