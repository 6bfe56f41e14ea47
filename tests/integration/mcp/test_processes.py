"""Managed processes: what they see, how they end, and that nothing of them stays behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.support.mcp_rig import HOSTILE, hostile, mcp_rig
from tests.support.process_table import below, running, wait_gone

from airboss.domain.mcp_policies import DEFAULT_ENVIRONMENT, McpPolicy, ProcessPolicy
from airboss.domain.mcp_servers import ContainerSpec, ProcessSpec, ServerOrigin, ServerState
from airboss.mcp.process_guard import __file__ as guard_program
from airboss.ports.mcp import McpUnavailableError

#: What the interpreter or its C library adds by itself.
ADDED = {"LC_CTYPE", "PWD", "SHLVL", "_"}


async def test_a_process_sees_a_fixed_environment_and_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OURS", "not theirs")
    async with mcp_rig(secrets={"secret://env/KEY": "hunter2-hunter2"}) as rig:
        rig.define("h", hostile(TOKEN="secret://env/KEY", MODE="plain"))
        seen = json.loads(await rig.call("h", "environment"))
        expected = {**DEFAULT_ENVIRONMENT, "TOKEN": "hunter2-hunter2", "MODE": "plain"}
        assert {key: value for key, value in seen.items() if key not in ADDED} == expected
        assert "hunter2" not in rig.log.text


async def test_a_secret_that_a_server_prints_is_masked_everywhere() -> None:
    async with mcp_rig(secrets={"secret://env/KEY": "tiny-key"}) as rig:
        rig.define("h", hostile("--leak", "TOKEN", "--exit", "4", TOKEN="secret://env/KEY"))
        status = await rig.connections.start("h")
        assert status.state is ServerState.FAILED
        assert status.reason is not None
        assert "ended with code 4" in status.reason
        assert "my key is ***" in status.reason
        told = json.dumps(rig.watch.news) + rig.log.text + status.reason
        assert "tiny-key" not in told


@pytest.mark.parametrize("flags", [(), ("--stubborn",)])
async def test_the_end_of_a_server_is_the_end_of_all_its_descendants(flags: tuple[str, ...]) -> None:
    before = below(os.getpid())
    async with mcp_rig() as rig:
        rig.define("h", hostile(*flags))
        pids = json.loads(await rig.call("h", "spawn"))
        assert running(pids) == pids
        everyone = [pid for pid in below(os.getpid()) if pid not in before]
        assert len(everyone) == 4, "guard, server, child and daemon"
        began = time.monotonic()
        await rig.connections.stop("h")
        assert running(everyone) == []
        assert time.monotonic() - began < 2.5


async def test_a_server_that_ends_by_itself_leaves_no_descendant() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        pids = json.loads(await rig.call("h", "spawn"))
        with pytest.raises(McpUnavailableError):
            await rig.call("h", "die")
        await rig.watch.until(lambda: rig.watch.count("failed") == 1)
        assert running(pids) == []


async def test_stop_in_the_handshake_does_not_wait_for_it() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile("--hang", "--stubborn", "--leak", "HOME"))
        before = below(os.getpid())
        starting = asyncio.create_task(rig.connections.start("h"))
        await rig.log.until("mcp.server_stderr")
        new = [pid for pid in below(os.getpid()) if pid not in before]
        assert len(new) == 2
        began = time.monotonic()
        status = await rig.connections.stop("h")
        assert time.monotonic() - began < 2.5
        assert status.state is ServerState.STOPPED
        await starting
        assert running(new) == []


async def test_a_server_that_never_answers_the_handshake_fails_in_time() -> None:
    async with mcp_rig(open_seconds=0.3) as rig:
        rig.define("h", hostile("--hang"))
        status = await rig.connections.start("h")
        assert status.state is ServerState.FAILED
        assert status.reason is not None
        assert status.reason.startswith("it was not open within 0.3 s")


AIRBOSS_STAND_IN = f"""
import asyncio, sys
sys.path[:0] = {[str(Path(__file__).parents[3]), str(Path(__file__).parents[3] / "src")]!r}
from tests.support.mcp_rig import hostile, mcp_rig
async def main():
    async with mcp_rig() as rig:
        rig.define("h", hostile("--stubborn"))
        print(await rig.call("h", "spawn"), flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.mark.parametrize("victim", ["airboss", "guard"])
def test_kill_9_leaves_no_server_behind(victim: str) -> None:
    """Of Airboss: the guard ends server, child and daemon. Of the guard: the kernel ends the server."""
    with subprocess.Popen(
        [sys.executable, "-c", AIRBOSS_STAND_IN], stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
    ) as airboss:
        assert airboss.stdout is not None
        grandchildren = json.loads(airboss.stdout.readline())
        servers = [pid for pid in below(airboss.pid) if pid not in grandchildren]
        guard, server = servers
        try:
            if victim == "airboss":
                airboss.kill()
                wait_gone([guard, server, *grandchildren])
            else:
                os.kill(guard, signal.SIGKILL)
                wait_gone([guard, server])
        finally:
            airboss.kill()
            for pid in running(grandchildren):
                os.kill(pid, signal.SIGKILL)


def test_the_guard_passes_the_exit_code_on() -> None:
    ours, theirs = os.pipe()
    for code, command in ((5, "exit 5"), (128 + signal.SIGKILL, "kill -9 $$"), (127, None)):
        argv = ["sh", "-c", command] if command else ["/no/such/program"]
        done = subprocess.run(
            [sys.executable, "-I", "-S", guard_program, str(ours), "1", *argv],
            pass_fds=[ours],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert done.returncode == code
        said = "" if command else "/no/such/program cannot be started: No such file or directory\n"
        assert done.stderr == said
    os.close(ours)
    os.close(theirs)


def program(folder: Path, text: str, mode: int = 0o755) -> str:
    path = folder / "server"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


async def why_not(command: str, *args: str, env: dict[str, str] | None = None) -> str:
    """Why a command cannot be used, as the operator reads it."""
    async with mcp_rig() as rig:
        with pytest.raises(McpUnavailableError) as caught:
            await rig.connections.check(ProcessSpec(command, args, env or {}), ServerOrigin.SETTINGS)
        return str(caught.value)


async def test_a_command_that_is_not_there_is_named_with_what_to_do(tmp_path: Path) -> None:
    assert await why_not("no-such-server") == (
        f"the command no-such-server was not found in {DEFAULT_ENVIRONMENT['PATH']};"
        " install it there, or give its absolute path"
    )
    assert await why_not("no-such-server", env={"PATH": "/opt/x"}) == (
        "the command no-such-server was not found in /opt/x; install it there, or give its absolute path"
    )
    assert await why_not("uvx some-server") == (
        "the command 'uvx some-server' was not found: it holds a space; give the program alone, and the rest in args"
    )
    assert await why_not("/no/such/server") == (
        "the command /no/such/server was not found: there is no such file; check the path, or install it"
    )


async def test_a_command_that_cannot_be_run_says_why(tmp_path: Path) -> None:
    assert await why_not(str(tmp_path)) == f"the command {tmp_path} is a folder; give the program in it"
    plain = program(tmp_path, "x", 0o644)
    assert await why_not(plain) == (
        f"the command {plain} is there, and the server's user may not run it; make it executable (chmod +x)"
    )


@pytest.mark.parametrize("line", ["#!/no/such/interpreter", "#!/usr/bin/env no-such-interpreter"])
async def test_a_command_whose_interpreter_is_missing_says_where_it_is_looked_for(
    tmp_path: Path, line: str
) -> None:
    told = await why_not(program(tmp_path, f"{line}\n"))
    assert told.startswith("it closed the connection; the process ended with code 127: ")
    assert (
        "it, or a program that it starts, was not found; it was looked for in "
        f"{DEFAULT_ENVIRONMENT['PATH']}: install it there, or set PATH in env" in told
    )


async def test_what_is_no_program_is_not_said_to_be_missing(tmp_path: Path) -> None:
    told = await why_not(program(tmp_path, "no program"))
    assert "ended with code 126; it last wrote" in told
    assert "cannot be started: Exec format error" in told


async def test_a_relative_command_is_meant_from_the_servers_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, f"#!/bin/sh\nexec {sys.executable} {HOSTILE}\n")
    monkeypatch.chdir(tmp_path)
    async with mcp_rig() as rig:
        assert await rig.connections.check(ProcessSpec("./server"), ServerOrigin.SETTINGS)


async def test_by_api_a_path_in_the_environment_does_not_choose_the_command(tmp_path: Path) -> None:
    program = tmp_path / "known-name"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} {HOSTILE}\n")
    program.chmod(0o755)
    spec = ProcessSpec("known-name", (), {"PATH": f"{tmp_path}:/usr/bin:/bin"})
    async with mcp_rig() as rig:
        assert await rig.connections.check(spec, ServerOrigin.SETTINGS)
        with pytest.raises(McpUnavailableError, match="known-name was not found"):
            await rig.connections.check(spec, ServerOrigin.API)


def engine(folder: Path) -> Path:
    """A container engine as far as its command line goes: it keeps its arguments and runs the server."""
    program = folder / "docker"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {folder}/arguments\n[ "$1" = run ] || exit 0\nexec {sys.executable} {HOSTILE}\n'
    )
    program.chmod(0o755)
    return program


def boxes(path: str) -> McpPolicy:
    return McpPolicy(process=ProcessPolicy(environment={**DEFAULT_ENVIRONMENT, "PATH": path}))


async def test_a_container_is_run_and_removed_through_the_engine(tmp_path: Path) -> None:
    engine(tmp_path)
    policy = boxes(f"{tmp_path}:/usr/bin:/bin")
    async with mcp_rig(policy, secrets={"secret://env/KEY": "container-key"}) as rig:
        rig.define("boxed", ContainerSpec("registry/image:1", {"KEY": "secret://env/KEY"}))
        assert json.loads(await rig.call("boxed", "environment"))["KEY"] == "container-key"
        await rig.connections.stop("boxed")
    run, remove = (tmp_path / "arguments").read_text().splitlines()
    name = remove.split()[-1]
    assert run == (
        f"run --interactive --rm --init --name {name} --label airboss.server=boxed --env KEY registry/image:1"
    )
    assert remove == f"rm --force {name}"


async def test_without_an_engine_a_container_says_so(tmp_path: Path) -> None:
    async with mcp_rig(boxes(str(tmp_path))) as rig:
        with pytest.raises(McpUnavailableError, match="needs docker or podman, and neither is in"):
            await rig.connections.check(ContainerSpec("image"), ServerOrigin.SETTINGS)


async def test_variables_that_would_steer_the_engine_are_refused(tmp_path: Path) -> None:
    engine(tmp_path)
    spec = ContainerSpec("image", {"DOCKER_HOST": "tcp://127.0.0.1:1"})
    async with mcp_rig(boxes(str(tmp_path))) as rig:
        with pytest.raises(McpUnavailableError, match="DOCKER_HOST would steer the container engine"):
            await rig.connections.check(spec, ServerOrigin.API)
