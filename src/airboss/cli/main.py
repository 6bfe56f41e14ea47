"""The command `airboss`: its parts, and how its failures are told."""

import sys

import typer

from airboss.app.server import PortTakenError
from airboss.cli.agents import agents
from airboss.cli.api_client import ApiError
from airboss.cli.config import config
from airboss.cli.demo import demo
from airboss.cli.events import events
from airboss.cli.jobs import jobs
from airboss.cli.providers import providers
from airboss.cli.serve import serve
from airboss.config import SettingsError
from airboss.config.runtime_config import NotBuiltError
from airboss.ports.store import StoreOpenError
from airboss.runtime.toolbox import BadAllowlistError, UnknownToolError
from airboss.version import VERSION

SETTINGS_EXIT, FAILURE_EXIT = 2, 1

app = typer.Typer(
    help="Airboss runs AI agents as jobs.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
)
app.command()(serve)
app.command()(events)
app.command()(agents)
app.command()(providers)
app.command()(demo)
app.add_typer(jobs, name="jobs")
app.add_typer(config, name="config")


@app.callback(invoke_without_command=True)
def main(*, version: bool = typer.Option(False, "--version", help="Show the version.")) -> None:
    if version:
        typer.echo(f"airboss {VERSION}")
        raise typer.Exit


def run() -> None:
    """Run a command; a failure is one clear line and an exit code: 2 for settings, 1 for anything else."""
    try:
        app()
    except (SettingsError, NotBuiltError, UnknownToolError, BadAllowlistError) as error:
        _fail(str(error), SETTINGS_EXIT)
    except (ApiError, PortTakenError, StoreOpenError) as error:
        _fail(str(error), FAILURE_EXIT)
    except OSError as error:
        _fail(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "), FAILURE_EXIT)
    except KeyboardInterrupt:
        sys.exit(130)


def _fail(text: str, code: int) -> None:
    typer.echo("\n".join(f"airboss: {line}" for line in text.splitlines()), err=True)
    sys.exit(code)
