"""Shell completion: what it offers, and that it never gets in the way."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx2
import pytest
from tests.support.api_jobs import run, spawn
from tests.support.server import ServerProcess

AIRBOSS = Path(sys.prefix) / "bin" / "airboss"


def installed(folder: Path, *command: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a command with `airboss` on the path: completion belongs to that name."""
    return subprocess.run(
        command,
        cwd=folder,
        env={"PATH": f"{AIRBOSS.parent}:/usr/bin:/bin", "HOME": str(folder), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def offers(folder: Path, line: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Ask as bash does; the last word is the one that is being typed."""
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    return installed(folder, "airboss", _AIRBOSS_COMPLETE="complete_bash", **asked, **environ)


def test_agents_and_jobs_are_offered(
    busy_server: ServerProcess, client: httpx2.Client, tmp_path: Path
) -> None:
    url = busy_server.url
    assert offers(tmp_path, "airboss jobs spawn qui", AIRBOSS_URL=url).stdout.split() == ["quick"]
    ended, pending = run(client, "quick")["id"], spawn(client, "idle")["id"]
    shown = offers(tmp_path, "airboss jobs show ", AIRBOSS_URL=url).stdout.split()
    assert {ended, pending} <= set(shown)
    live = offers(tmp_path, "airboss jobs cancel ", AIRBOSS_URL=url).stdout.split()
    assert (pending in live, ended in live) == (True, False)
    assert "fake" in offers(tmp_path, "airboss providers models ", AIRBOSS_URL=url).stdout.split()


def test_the_options_before_say_whom_to_ask(busy_server: ServerProcess, tmp_path: Path) -> None:
    done = offers(tmp_path, f"airboss jobs spawn --url {busy_server.url} qui")
    assert done.stdout.split() == ["quick"]


def test_commands_states_and_types_need_no_server(tmp_path: Path) -> None:
    nobody = {"AIRBOSS_URL": "http://127.0.0.1:9"}
    assert offers(tmp_path, "airboss jobs re", **nobody).stdout.split() == ["retry"]
    assert offers(tmp_path, "airboss jobs list --state c", **nobody).stdout.split() == [
        "completed",
        "cancelled",
    ]
    types = offers(tmp_path, "airboss events --types job.started,job.f", **nobody).stdout.split()
    assert types == ["job.started,job.failed"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense"])
def test_without_a_server_it_is_silent(tmp_path: Path, url: str) -> None:
    done = offers(tmp_path, "airboss jobs show ", AIRBOSS_URL=url)
    assert (done.stdout.strip(), done.stderr) == ("", "")
    (tmp_path / "airboss.yaml").write_text("server: [\n")
    done = offers(tmp_path, "airboss jobs show ")
    assert (done.stdout.strip(), done.stderr) == ("", "")


def test_a_server_that_does_not_answer_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began = time.monotonic()
        done = offers(
            tmp_path, "airboss jobs show ", AIRBOSS_URL=f"http://127.0.0.1:{silent.getsockname()[1]}"
        )
        seconds = time.monotonic() - began
    assert (done.stdout.strip(), done.stderr) == ("", "")
    # Half a second for the answer; the rest is a busy machine's time to start a process.
    assert seconds < 10


def test_bash_completes_after_the_installation(tmp_path: Path) -> None:
    program = """
        airboss --install-completion >&2
        source ~/.bashrc
        COMP_WORDS=(airboss jobs re) COMP_CWORD=2
        "$(complete -p airboss | sed 's/.*-F \\([^ ]*\\) .*/\\1/')" airboss re jobs
        echo "${COMPREPLY[@]}"
    """
    done = installed(tmp_path, "bash", "-c", program)
    assert (done.returncode, done.stdout.split()) == (0, ["retry"]), done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_there_is_a_script_for_each_shell(tmp_path: Path, shell: str) -> None:
    # The shell is named, not found: zsh and fish need not be on the machine.
    done = installed(
        tmp_path, "airboss", "--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"
    )
    assert f"_AIRBOSS_COMPLETE=complete_{shell}" in done.stdout, done.stderr
