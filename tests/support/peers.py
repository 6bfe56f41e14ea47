"""Servers that others wrote, installed once into a folder of their own and run on loopback.

Two packages bring a command called `llmock`: aimock (npm), which breaks answers at random, and llmock (pip),
which judges its clients.
"""

import contextlib
import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".peers"
OIDC_PROVIDER = ("oidc-provider-mock", "0.3.4")
AIMOCK = ("@copilotkit/aimock", "1.43.0")
LLMOCK = ("llmock", "0.2.2")
INSTALL_SECONDS = 100.0
#: What could not be installed is not tried again by each test of a run.
FAILED_SECONDS = 600.0
START_SECONDS = 30.0
STOP_SECONDS = 10.0


@dataclass(frozen=True)
class Peer:
    """A peer that answers on loopback."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def get(self, path: str) -> httpx2.Response:
        # Without verify=False each call would read the system's certificates, for no https.
        return httpx2.get(self.url + path, timeout=10.0, trust_env=False, verify=False)


@contextlib.contextmanager
def running_aimock(folder: Path, fixtures: Mapping[str, Any], *options: str) -> Iterator[Peer]:
    path = folder / "fixtures.json"
    path.write_text(json.dumps(fixtures))
    command = [str(_installed_aimock()), "--host", "127.0.0.1", "--fixtures", str(path), "--metrics"]
    with _running(command, options, folder / "aimock.log", ready="/health") as peer:
        yield peer


@contextlib.contextmanager
def running_llmock(folder: Path, *options: str) -> Iterator[Peer]:
    command = [str(_installed_by_pip(*LLMOCK)), "serve", "--host", "127.0.0.1"]
    with _running(command, options, folder / "llmock.log", ready="/health") as peer:
        yield peer


@contextlib.contextmanager
def running_oidc_provider(folder: Path, port: int, *options: str) -> Iterator[Peer]:
    """Serve an OpenID Connect issuer; each start has a key of its own."""
    command = [str(_installed_by_pip(*OIDC_PROVIDER)), "--host", "127.0.0.1"]
    ready = "/.well-known/openid-configuration"
    with _running(command, options, folder / "oidc.log", ready=ready, port=port) as peer:
        yield peer


def _installed_aimock() -> Path:
    """Return the command; skips, loudly, where there is no npm."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip(f"NOT TESTED against {AIMOCK[0]}: this machine has no npm and node")
    place = FOLDER / f"aimock-{AIMOCK[1]}"
    package = "@".join(AIMOCK)
    flags = (
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--fetch-retries",
        "1",
        "--fetch-timeout",
        "20000",
    )
    _install(place, [[npm, "install", "--prefix", str(place), package, *flags]])
    return place / "node_modules" / ".bin" / "llmock"


def _installed_by_pip(package: str, version: str) -> Path:
    """Return the command that has the package's name, in an environment of its own."""
    place = FOLDER / f"{package}-{version}"
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _install(place, [[sys.executable, "-m", "venv", str(place)], [*pip, f"{package}=={version}"]])
    return place / "bin" / package


def _install(place: Path, commands: Sequence[Sequence[str]]) -> None:
    """Run the commands unless they were run before; whoever comes meanwhile waits."""
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n")
    with (FOLDER / f"{place.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = place / ".installed"
        if stamp.exists():
            return
        failed = FOLDER / f"{place.name}.failed"
        if failed.exists() and time.time() - failed.stat().st_mtime < FAILED_SECONDS:
            pytest.skip(failed.read_text())
        shutil.rmtree(place, ignore_errors=True)
        for command in commands:
            if (error := _error_of(command)) is not None:
                failed.write_text(f"NOT TESTED: {place.name} cannot be installed: {error}")
                pytest.skip(failed.read_text())
        stamp.touch()


def _error_of(command: Sequence[str]) -> str | None:
    """Run a command; returns the end of what it said where it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end within {INSTALL_SECONDS:g} s"
    return None if done.returncode == 0 else done.stderr[-300:]


@contextlib.contextmanager
def _running(
    command: Sequence[str], options: Sequence[str], log: Path, *, ready: str, port: int | None = None
) -> Iterator[Peer]:
    port = port or _free_port()
    environ = {"PATH": os.environ["PATH"], "HOME": str(log.parent), "NO_COLOR": "1"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port), *options],
            cwd=log.parent,
            env=environ,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    peer = Peer(f"http://127.0.0.1:{port}", process, log)
    try:
        _wait_ready(peer, ready)
        assert listening_on(process.pid) == {"127.0.0.1"}, "a peer must be reached from this machine only"
        yield peer
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(peer: Peer, path: str) -> None:
    """Ask until it answers: it tells nobody when it is ready."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert peer.process.poll() is None, peer.log.read_text()
        with contextlib.suppress(httpx2.TransportError):
            peer.get(path)
            return
        time.sleep(0.05)
    raise AssertionError(f"not ready in time:\n{peer.log.read_text()}")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def listening_on(pid: int) -> set[str]:
    """Return the addresses on which a process listens, as Linux tells them."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(str(link.readlink()))
    addresses = set()
    for table, size in (("tcp", 8), ("tcp6", 32)):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                packed = fields[1].partition(":")[0]
                addresses.add(_address(packed) if size == 8 else packed)
    return addresses


def _address(packed: str) -> str:
    return socket.inet_ntoa(bytes.fromhex(packed)[::-1])
