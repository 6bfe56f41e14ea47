"""A real server process for tests: started on a free port, ended by its process id."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

_READY = re.compile(r"API\s+(http\S+)/v1")
START_SECONDS = 30.0
STOP_SECONDS = 30.0


@dataclass(frozen=True)
class ServerProcess:
    """A server that said it is ready."""

    url: str
    process: subprocess.Popen[str]
    folder: Path

    @property
    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def client(self) -> httpx2.Client:
        # Without verify=False each client would read the system's certificates, for no https.
        return httpx2.Client(base_url=self.url, timeout=30.0, trust_env=False, verify=False)

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait for the process's end and return its exit code."""
        code = self.process.wait(timeout=STOP_SECONDS)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def running_server(
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    port: int = 0,
) -> Iterator[ServerProcess]:
    """Serve with `folder` as the working directory, until the end of the block if not stopped before."""
    server = start_server(folder, settings, environ, port)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def start_server(
    folder: Path,
    settings: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    port: int = 0,
) -> ServerProcess:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "airboss.yaml").write_text(yaml.safe_dump(dict(settings or {})))
    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "airboss", "serve", "--port", str(port)],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error", **(environ or {})},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    return ServerProcess(_read_url(process, folder), process, folder)


def _read_url(process: subprocess.Popen[str], folder: Path) -> str:
    """Read the address the server tells; one that says nothing in time is killed, which ends the read."""
    deadline = threading.Timer(START_SECONDS, process.kill)
    deadline.start()
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := _READY.search(line):
                return found[1]
    finally:
        deadline.cancel()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    raise AssertionError(f"the server did not start:\n{(folder / 'server.log').read_text()}")
