"""The command line on a terminal: tables that fit, the live view, colour, and text that is only text."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import yaml
from tests.e2e.conftest import settings_of
from tests.support.api_jobs import get, run, spawn
from tests.support.command_line import airboss
from tests.support.fake_provider import ANSWER, PIECES, FakeProvider
from tests.support.pseudo_terminal import terminal
from tests.support.server import ServerProcess, running_server

from airboss.cli.exit_codes import ExitCode

#: Sets the title, clears the screen, colours, moves, writes to the clipboard; as 7-bit and as 8-bit controls.
ATTACK = (
    "\x1b]0;pwned\x07\x1b[2J\x1b[31mred\x1b[0m\x1b]52;c;cHduZWQ=\x1b\\\x9b31m\x9d0;pwned\x9c\x08\x7f\u202e"
    " [bold]mark[/bold] [/] [link=http://x]y[/link] :smile:"
)
_DANGEROUS = re.compile(r"pwned\x07|\x1b\]|\x1b\[2J|[\x80-\x9f\x08\x7f]|\u202e")


@pytest.fixture(scope="module")
def hostile_server(
    tmp_path_factory: pytest.TempPathFactory, provider: FakeProvider
) -> Iterator[ServerProcess]:
    """A server whose planner quotes a file that would take a terminal over."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "workspace").mkdir()
    (folder / "workspace" / "notes.md").write_text(f"# Notes\nA cancel stops the work. {ATTACK}\n")
    settings = settings_of(provider)
    tools = ["files.list", "files.read"]
    settings["agents"]["offline"] = {"provider": "offline", "model": "planner", "tools": tools}
    with running_server(folder, settings) as server:
        yield server


def on(server: ServerProcess, **environ: str) -> dict[str, str]:
    return {"AIRBOSS_URL": server.url, **environ}


def test_the_list_fits_80_columns_and_ids_are_whole(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    job = run(client, "quick", "a question that is much longer than what is left of a line of eighty")
    with terminal(tmp_path, "jobs", "list", "--limit", "5", environ=on(busy_server)) as shown:
        assert shown.end() == 0
        rows = shown.text.split("airboss: there are more")[0].rstrip().splitlines()
    assert all(len(row) <= 80 for row in rows), rows
    row = next(row for row in rows if job["id"] in row)
    assert re.search(r"completed +quick +(now|\d+s ago) +a questi", row)
    assert row.rstrip().endswith("…")


@pytest.mark.parametrize("columns", [20, 40, 60, 200])
def test_ids_are_whole_on_any_terminal(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path, columns: int
) -> None:
    job = run(client, "quick", "the question")
    with terminal(
        tmp_path, "jobs", "list", "--limit", "3", environ=on(busy_server), columns=columns
    ) as shown:
        assert shown.end() == 0
        assert job["id"] in shown.text
        assert ("the question" in shown.text) == (columns == 200)


@pytest.mark.parametrize("arguments", [("agents",), ("providers",)])
def test_other_tables_fit_too(busy_server: ServerProcess, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with terminal(tmp_path, *arguments, environ=on(busy_server)) as shown:
        assert shown.end() == 0
        assert all(len(line) <= 80 for line in shown.text.splitlines())


def test_the_live_view_shows_the_output_as_it_is_written(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    job = spawn(client, "hang-middle")
    with terminal(tmp_path, "jobs", "watch", job["id"], environ=on(busy_server)) as shown:
        shown.wait_for("running")
        shown.wait_for("fake, hang-middle")
        # The model has said one piece of its answer, and no more.
        shown.wait_for(PIECES[0].strip())
        assert get(client, job["id"])["state"] == "running"
        shown.type(b"\x03")
        assert shown.end() == ExitCode.INTERRUPTED
        assert "the job goes on" in shown.text
        # The cursor is there again.
        assert shown.raw.rindex("\x1b[?25h") > shown.raw.rindex("\x1b[?25l")
    assert get(client, job["id"])["state"] == "running"


def test_the_live_view_shows_the_place_in_the_queue(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    job = spawn(client, "idle")
    with terminal(tmp_path, "jobs", "watch", job["id"], environ=on(busy_server)) as shown:
        shown.wait_for(f"number {get(client, job['id'])['queue_position']} in the queue")
        client.post(job["links"]["cancel"])
        assert shown.end() == ExitCode.JOB_CANCELLED
        assert shown.text.rstrip().splitlines()[-1].startswith("cancelled")


def test_the_live_view_ends_with_steps_output_and_usage(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    with terminal(tmp_path, "jobs", "spawn", "tool", "x", "--watch", environ=on(busy_server)) as shown:
        assert shown.end() == 0
        end = shown.raw.rpartition("\x1b[2K")[2]
    for text in ("fake, tool", "files.list", ANSWER, "completed", "2 model calls, 22 tokens in, 14 out"):
        assert text in end, end


def test_a_failed_job_is_red_and_says_what_to_do(busy_server: ServerProcess, tmp_path: Path) -> None:
    with terminal(tmp_path, "jobs", "spawn", "status-400", "x", "--watch", environ=on(busy_server)) as shown:
        assert shown.end() == ExitCode.JOB_FAILED
        assert "provider_rejected" in shown.text
        assert "airboss agents show status-400" in shown.text
        assert "\x1b[31m" in shown.raw


def test_waiting_on_a_terminal_says_for_what(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    job = spawn(client, "idle")
    retried = client.post(f"{job['links']['self']}/cancel").json()
    with terminal(tmp_path, "jobs", "retry", retried["id"], "--wait", environ=on(busy_server)) as shown:
        shown.wait_for("in the queue")
        (new,) = client.get("/v1/jobs", params={"agent": "idle", "state": "pending", "limit": 1}).json()[
            "data"
        ]
        client.post(new["links"]["cancel"])
        assert shown.end() == ExitCode.JOB_CANCELLED


def test_a_dumb_terminal_gets_lines(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    job = run(client, "text")
    with terminal(tmp_path, "jobs", "watch", job["id"], environ=on(busy_server, TERM="dumb")) as shown:
        assert shown.end() == 0
        assert "\x1b" not in shown.raw
        assert "output.delta" in shown.text


@pytest.mark.parametrize(
    ("environ", "is_coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"FORCE_COLOR": "1"}, True)]
)
def test_colour_on_a_terminal(
    busy_server: ServerProcess,
    client: httpx2.Client,
    tmp_path: Path,
    environ: dict[str, str],
    is_coloured: bool,
) -> None:
    job = run(client, "quick")
    for command in (("jobs", "list"), ("jobs", "show", job["id"]), ("jobs", "watch", job["id"])):
        with terminal(tmp_path, *command, environ=on(busy_server, **environ)) as shown:
            assert shown.end() == 0
            assert shown.is_coloured == is_coloured, command


@pytest.mark.parametrize(
    "command",
    [
        ("jobs", "list"),
        ("agents",),
        ("providers",),
        ("jobs", "list", "--json"),
        ("jobs", "spawn", "nobody", "x"),
    ],
)
def test_no_colour_in_pipes_unless_it_is_forced(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path, command: tuple[str, ...]
) -> None:
    run(client, "quick")
    done = airboss(tmp_path, *command, environ=on(busy_server, TERM="xterm-256color"))
    assert "\x1b" not in done.stdout + done.stderr
    forced = airboss(tmp_path, *command, environ=on(busy_server, TERM="xterm-256color", FORCE_COLOR="1"))
    is_human = command == ("jobs", "list")
    assert ("\x1b[32m" in forced.stdout) == is_human
    if "--json" in command:
        assert "\x1b" not in forced.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("jobs", "list"),
        ("jobs", "show", "ID"),
        ("jobs", "show", "ID", "--json"),
        ("jobs", "watch", "ID"),
        ("jobs", "watch", "ID", "--json"),
        ("jobs", "retry", "ID", "--wait"),
        ("jobs", "retry", "ID", "--watch"),
    ],
)
def test_no_text_of_a_job_reaches_a_terminal_raw(
    hostile_server: ServerProcess, tmp_path: Path, command: tuple[str, ...]
) -> None:
    with hostile_server.client() as client:
        job = run(client, "offline", f"What about cancel? {ATTACK}")
    assert "\x1b]0;pwned" in str(job["output"])
    arguments = [job["id"] if word == "ID" else word for word in command]
    with terminal(tmp_path, *arguments, environ=on(hostile_server), columns=200) as shown:
        assert shown.end() == 0
        raw = shown.raw
    assert not _DANGEROUS.search(raw), ascii(raw)
    if "--json" not in command:
        # What looks like the library's own markup is text like any other.
        assert "[bold]mark[/bold] [/] [link=http://x]y[/link] :smile:" in raw


def test_no_text_of_a_refusal_reaches_a_terminal_raw(hostile_server: ServerProcess, tmp_path: Path) -> None:
    with terminal(tmp_path, "jobs", "spawn", f"a{ATTACK}", "x", environ=on(hostile_server)) as shown:
        assert shown.end() == ExitCode.REFUSED
        assert not _DANGEROUS.search(shown.raw), ascii(shown.raw)


def test_plain_lines_are_stripped_too(hostile_server: ServerProcess, tmp_path: Path) -> None:
    with hostile_server.client() as client:
        job = run(client, "offline", f"What about cancel? {ATTACK}")
    for command in (("jobs", "show", job["id"]), ("jobs", "watch", job["id"]), ("jobs", "list")):
        done = airboss(tmp_path, *command, environ=on(hostile_server))
        assert not re.search("\x1b|[\x80-\x9f\x08\x7f]", done.stdout), command


def test_a_stop_with_running_jobs_tells_what_it_waits_for(tmp_path: Path, provider: FakeProvider) -> None:
    settings = settings_of(provider) | {"server": {"port": 0}}
    (tmp_path / "airboss.yaml").write_text(yaml.safe_dump(settings))
    calls = provider.calls("hang-first")
    with terminal(tmp_path, "serve", columns=200) as shown:
        shown.wait_for("/docs")
        found = re.search(r"API +(http://\S+)/v1", shown.text)
        assert found is not None
        with httpx2.Client(base_url=found[1], trust_env=False) as http:
            spawn(http, "hang-first")
            provider.wait_called("hang-first", calls + 1)
        shown.type(b"\x03")
        shown.wait_for(
            "Stopping: waiting up to 30 s for 1 running job; Ctrl-C again hands it back to the queue\n"
        )
        shown.type(b"\x03")
        assert shown.end() == 0


def test_a_stop_with_nothing_to_wait_for_tells_nothing(tmp_path: Path) -> None:
    (tmp_path / "airboss.yaml").write_text("server: {port: 0}\n")
    with terminal(tmp_path, "serve", columns=200) as shown:
        shown.wait_for("/docs")
        shown.type(b"\x03")
        assert shown.end() == 0
        assert "Stopping" not in shown.text
