"""The command `airboss`: its parts, and how its failures are told."""

import atexit
import io
import os
import sys
from pathlib import Path

import typer

from airboss.cli.agents import agents
from airboss.cli.config import config
from airboss.cli.demo import demo
from airboss.cli.events import events
from airboss.cli.exit_codes import ExitCode
from airboss.cli.failures import CommandError
from airboss.cli.groups import PipedGroup
from airboss.cli.jobs import jobs
from airboss.cli.providers import providers
from airboss.cli.serve import serve
from airboss.cli.terminal import clean
from airboss.cli.token import token
from airboss.cli.wrong_usage import as_failure
from airboss.version import VERSION

app = typer.Typer(
    cls=PipedGroup,
    help="Airboss runs AI agents as jobs.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve)
app.add_typer(jobs, name="jobs")
app.command()(events)
app.add_typer(agents, name="agents")
app.add_typer(providers, name="providers")
app.add_typer(config, name="config")
app.add_typer(token, name="token")
app.command()(demo)


@app.callback(invoke_without_command=True)
def main(*, version: bool = typer.Option(False, "--version", help="Show the version.")) -> None:
    if version:
        typer.echo(f"airboss {VERSION}")
        raise typer.Exit


def run() -> None:
    """Run a command; a failure is one clear line, what to do next, and an exit code of `ExitCode`."""
    if sys.stdout is None:
        # `>&-` is no reason to do nothing.
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 - closed when the process ends
        atexit.register(sys.stdout.close)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal's encoding lacks is no reason to end with a traceback.
            stream.reconfigure(errors="replace")
    try:
        # A command that ends early says so with a code.
        sys.exit(app(standalone_mode=False) or ExitCode.DONE)
    except typer.TyperException as error:
        _fail_usage(error)
    except CommandError as error:
        _fail(str(error), error.code, error.advice)
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), ExitCode.FAILURE)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)


def _fail_usage(error: typer.TyperException) -> None:
    if not error.format_message():
        # A group without a command: its help was shown.
        sys.exit(ExitCode.USAGE)
    failure = as_failure(error)
    _fail(str(failure), failure.code, failure.advice)


def _fail(text: str, code: ExitCode, advice: str = "") -> None:
    lines = [*clean(text).splitlines(), *([f"next: {clean(advice)}"] if advice else [])]
    typer.echo("\n".join(f"airboss: {line}" for line in lines), err=True)
    sys.exit(code)
