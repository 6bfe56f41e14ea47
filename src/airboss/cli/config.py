"""`airboss config`: check, show, schema."""

import json

import typer

from airboss.cli.options import ConfigOption, JsonOption, load
from airboss.config.schema import settings_schema
from airboss.config.show import render_json, render_yaml, shown

config = typer.Typer(help="Check and show the settings.", no_args_is_help=True)


@config.command()
def check(config: ConfigOption = None) -> None:
    """Validate the settings; says everything that is wrong with them at once."""
    loaded = load(config)
    source = loaded.config_path or "the defaults and the environment"
    typer.echo(f"ok: {source}")


@config.command()
def show(*, config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show the merged settings and where each comes from, secrets masked."""
    rows = shown(load(config))
    typer.echo(json.dumps(render_json(rows), indent=2) if as_json else render_yaml(rows))


@config.command()
def schema(config: ConfigOption = None) -> None:  # noqa: ARG001 - every command takes it
    """Print the JSON Schema of the settings file."""
    typer.echo(json.dumps(settings_schema(), indent=2))
