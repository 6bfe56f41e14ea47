"""Commands as a stranger calls them: with wrong words, in pipes, to the wrong place."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from tests.support.command_line import airboss
from tests.support.pseudo_terminal import terminal
from tests.support.server import ServerProcess

from airboss.cli.exit_codes import ExitCode
from airboss.domain.event_types import EventType

_LATER = "2099-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("arguments", "told", "where"),
    [
        ("nothing", "No such command 'nothing'.", "airboss"),
        ("jbos", "No such command 'jbos'. Did you mean 'jobs'?", "airboss"),
        ("jobs lst", "No such command 'lst'. Did you mean 'list'?", "airboss jobs"),
        ("jobs show", "Missing argument 'JOB_ID'.", "airboss jobs show"),
        ("jobs spawn", "Missing argument 'AGENT'.", "airboss jobs spawn"),
        ("agents show", "Missing argument 'NAME'.", "airboss agents show"),
        ("jobs list --foo", "No such option: --foo", "airboss jobs list"),
        ("events --foo", "No such option: --foo", "airboss events"),
        ("jobs list --limt 5", "No such option: --limt. Did you mean '--limit'?", "airboss jobs list"),
        ("jobs list --limit x", "Invalid value for '--limit': must be a whole number", "airboss jobs list"),
        (
            "jobs watch x --reconnect-seconds -1",
            "Invalid value for '--reconnect-seconds': must be 0 or more",
            "airboss jobs watch",
        ),
        (
            "jobs spawn a b --timeout-seconds soon",
            "Invalid value for '--timeout-seconds': must be a number",
            "airboss jobs spawn",
        ),
        ("serve --port x", "Invalid value for '--port': must be a whole number", "airboss serve"),
        ("config check x", "Got unexpected extra argument(s) (x)", "airboss config check"),
        (
            "token issue --subject a --role god",
            "Invalid value for '--role': 'god' is not one of read, run, admin.",
            "airboss token issue",
        ),
    ],
)
def test_wrong_usage_is_two_lines(tmp_path: Path, arguments: str, told: str, where: str) -> None:
    done = airboss(tmp_path, *arguments.split())
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    program = "python -m airboss"
    assert done.stderr.splitlines() == [
        f"airboss: {told}",
        f"airboss: next: see '{where.replace('airboss', program, 1)} --help'",
    ]


@pytest.mark.parametrize("arguments", ["-h", "jobs -h", "jobs spawn -h", "agents -h", "config check -h"])
def test_a_short_h_is_help(tmp_path: Path, arguments: str) -> None:
    done = airboss(tmp_path, *arguments.split())
    assert (done.returncode, done.stderr) == (0, "")
    assert "Usage:" in done.stdout


def test_usage_names_what_goes_where(tmp_path: Path) -> None:
    assert "jobs spawn [OPTIONS] {AGENT} [INPUT]" in airboss(tmp_path, "jobs", "spawn", "-h").stdout
    assert "jobs watch [OPTIONS] {JOB_ID}" in airboss(tmp_path, "jobs", "watch", "-h").stdout


def test_a_group_alone_is_its_help(tmp_path: Path) -> None:
    done = airboss(tmp_path, "jobs")
    assert (done.returncode, done.stderr) == (ExitCode.USAGE, "")
    assert "spawn" in done.stdout


@pytest.mark.parametrize("arguments", ["--help", "jobs --help", "jobs spawn --help", "jobs"])
def test_a_reader_that_leaves_the_help_is_told_of_as_everywhere(tmp_path: Path, arguments: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "airboss", *arguments.split()],
            cwd=tmp_path,
            env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error"},
            stdout=nobody,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (ExitCode.BROKEN_PIPE, "")


def test_without_any_output_a_command_does_its_work(busy_server: ServerProcess, tmp_path: Path) -> None:
    done = subprocess.run(
        f"exec {sys.executable} -m airboss agents --url {busy_server.url} >&-",
        shell=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture
def ask(busy_server: ServerProcess, tmp_path: Path) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    def ask(*arguments: str, url: str = busy_server.url) -> "subprocess.CompletedProcess[str]":
        return airboss(tmp_path, *arguments, environ={"AIRBOSS_URL": url})

    return ask


def test_nothing_to_ask_is_told_with_how_to_give_it(
    ask: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = ask("jobs", "spawn", "quick")
    assert (done.returncode, done.stderr) == (
        ExitCode.USAGE,
        "airboss: give what to ask: as INPUT ('-' reads standard input), with --input or with --input-json\n",
    )


@pytest.mark.parametrize("end", ["/ui", "/ui/", "/docs"])
def test_every_address_that_serve_prints_is_taken(
    ask: Callable[..., "subprocess.CompletedProcess[str]"], busy_server: ServerProcess, end: str
) -> None:
    assert ask("agents", url=busy_server.url + end).returncode == 0


def test_a_host_that_is_not_there_is_told_as_such(
    ask: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = ask("agents", url="http://no-such-host.invalid:8700")
    assert done.returncode == ExitCode.UNREACHABLE
    why, what_next = done.stderr.splitlines()
    assert why == "airboss: there is no host 'no-such-host.invalid': its name cannot be resolved"
    assert what_next == "airboss: next: check --url or AIRBOSS_URL"


def test_an_unknown_event_type_is_told_which_there_are(
    ask: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = ask("events", "--types", "foo")
    assert done.returncode == ExitCode.REFUSED
    assert all(kind.value in done.stderr for kind in EventType)


def test_an_empty_list_says_so_beside_the_output(
    ask: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = ask("jobs", "list", "--agent", "nobody")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
    assert done.stderr == "airboss: no job is like that\n"
    assert ask("jobs", "list", "--agent", "nobody", "--json").stdout == ""


def test_models_that_could_not_be_asked_for_are_a_failure(
    ask: Callable[..., "subprocess.CompletedProcess[str]"],
) -> None:
    done = ask("providers", "models", "openai")
    assert (done.returncode, done.stdout) == (ExitCode.FAILURE, "")
    assert done.stderr.startswith("airboss: the provider could not be asked: ")


def test_following_on_a_terminal_says_what_it_waits_for(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    environ = {"AIRBOSS_URL": busy_server.url}
    with terminal(tmp_path, "events", environ=environ) as shown:
        shown.wait_for("following events from now on; Ctrl-C ends it")
        shown.type(b"\x03")
        assert shown.end() == ExitCode.INTERRUPTED
    job = client.post("/v1/jobs", json={"agent": "quick", "input": "x", "run_at": _LATER}).json()
    with terminal(tmp_path, "jobs", "watch", job["id"], environ=environ) as shown:
        shown.wait_for(f"not before {_LATER[:-1]}")
        shown.type(b"\x03")
        assert shown.end() == ExitCode.INTERRUPTED
    with terminal(
        tmp_path, "jobs", "spawn", "quick", "x", "--run-at", _LATER, "--wait", environ=environ
    ) as shown:
        shown.wait_for(f"not before {_LATER[:-1]}")
        shown.type(b"\x03")
        assert shown.end() == ExitCode.INTERRUPTED


_TYPO = "airboss.yaml:3: agents.reviewer.provder is not a setting; did you mean agents.reviewer.provider?"


def test_mistakes_beside_the_address_do_not_lock_out_of_a_server(
    busy_server: ServerProcess, tmp_path: Path
) -> None:
    port = httpx2.URL(busy_server.url).port
    typo = f"agents:\n  reviewer:\n    provder: openai\nserver:\n  port: {port}\n"
    (tmp_path / "airboss.yaml").write_text(typo)
    done = airboss(tmp_path, "jobs", "list")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[0] == (
        f"airboss: warning: the settings have mistakes ('airboss config check' tells them all): {_TYPO}"
    )
    assert "warning" not in airboss(tmp_path, "jobs", "list", "--url", busy_server.url).stderr


@pytest.mark.parametrize(
    "text",
    [
        "server:\n  port: many\n",
        "server:\n  prot: 8700\n",
        "sever:\n  port: 8700\n",
        "server:\n  host: ''\n",
        "server: [\n",
        "agents:\n\ta: b\n",
    ],
)
def test_where_the_address_cannot_be_told_the_error_names_the_option(tmp_path: Path, text: str) -> None:
    (tmp_path / "airboss.yaml").write_text(text)
    done = airboss(tmp_path, "jobs", "list")
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("airboss: airboss.yaml:")
    assert (
        lines[-1] == "airboss: next: mend the settings, or say where the server is with --url or AIRBOSS_URL"
    )
