"""`airboss config`: check, show, schema."""

import typer

from airboss.cli.late import Late, load_late
from airboss.cli.options import ConfigOption, JsonOption

config = typer.Typer(help="Check and show the settings.", no_args_is_help=True)


@config.command()
def check(config: ConfigOption = None) -> None:
    """Validate the settings; says everything that is wrong with them at once."""
    typer.echo(f"ok: {load_late(Late.SERVING).check(config)}")


@config.command()
def show(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the merged settings and where each comes from, secrets masked."""
    typer.echo(load_late(Late.SETTINGS).as_text(config, as_json=as_json))


@config.command()
def schema(config: ConfigOption = None) -> None:  # noqa: ARG001 - every command takes it
    """Print the JSON Schema of the settings file."""
    typer.echo(load_late(Late.SETTINGS).schema_text())
