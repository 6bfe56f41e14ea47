"""`airboss demo`: one real job on a real server, from the first request to the result."""

import re
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from airboss.cli.connecting import connect
from airboss.cli.exit_codes import ExitCode
from airboss.cli.late import Late, load_late
from airboss.cli.options import PATIENCE_SECONDS, ConfigOption
from airboss.cli.watching import watch_lines

_QUESTION = "How does a cancel stop the work of a running job?"
_URL = re.compile(r"API\s+(http\S+)/v1")
_STOP_SECONDS = 40


def demo(config: ConfigOption = None) -> None:
    """Start a server, run one job on the files of its root, and show all that happens.

    On a terminal the server stays until Ctrl-C; without one this ends with the job.
    """
    port = _free_port(load_late(Late.SETTINGS).port(config))
    # Ctrl-C ends the block below: behind the job's end there is nothing to interrupt any more.
    code = ExitCode.INTERRUPTED
    with tempfile.TemporaryDirectory(prefix="airboss-demo-") as folder, _server(port, folder, config) as url:
        typer.echo(f"\nPOST {url}/v1/jobs  agent=offline  input={_QUESTION!r}\n")
        client = connect(url, None, config)
        job = client.post("/v1/jobs", {"agent": "offline", "input": _QUESTION})
        code = watch_lines(client, job["id"], PATIENCE_SECONDS)
        if sys.stdin.isatty():
            typer.echo(f"\nDashboard: {url}/ui/")
            typer.echo("Serving until Ctrl-C.")
            signal.pause()
    raise typer.Exit(code)


@contextmanager
def _server(port: int, folder: str, config: Path | None) -> Iterator[str]:
    """Run a server of its own and give its address; it is ended by its process id."""
    command = [sys.executable, "-m", "airboss", "serve", "--port", str(port), "--data-dir", folder]
    if config is not None:
        command += ["--config", str(config)]
    log_path = Path(folder) / "server.log"
    with (
        log_path.open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as process,  # noqa: S603
    ):
        try:
            yield _read_url(process, log_path)
        except KeyboardInterrupt:
            typer.echo("\nStopping.")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=_STOP_SECONDS)


def _read_url(process: subprocess.Popen[str], log_path: Path) -> str:
    assert process.stdout is not None  # noqa: S101 - it was asked for
    told: list[str] = []
    for line in process.stdout:
        typer.echo(line, nl=False)
        told.append(line)
        if "Docs" in line and (found := _URL.search("".join(told))):
            return found[1]
    for line in log_path.read_text().splitlines():
        if line.startswith("airboss: "):
            typer.echo(line, err=True)
    typer.echo("the server did not start; 'airboss serve' shows why", err=True)
    raise typer.Exit(1)


def _free_port(wanted: int) -> int:
    """Return the port of the settings where it is free, else 0 for any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted
