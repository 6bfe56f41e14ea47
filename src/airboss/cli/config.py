"""`airboss config`: check, show, schema."""

import json
import os
from pathlib import Path

import typer

from airboss.cli.options import ConfigOption, JsonOption, load
from airboss.config.runtime_config import to_runtime_config
from airboss.config.schema import settings_schema
from airboss.config.show import render_json, render_yaml, shown
from airboss.runtime.toolbox import build_tools, build_web_client, require_tools

config = typer.Typer(help="Check and show the settings.", no_args_is_help=True)


@config.command()
def check(config: ConfigOption = None) -> None:
    """Validate the settings; says everything that is wrong with them at once."""
    loaded = load(config)
    # What only a start would find: tools that are not there, settings that are not served yet.
    runtime_config = to_runtime_config(loaded.settings, os.environ, Path.cwd())
    require_tools(runtime_config.agents, build_tools(runtime_config, build_web_client(runtime_config.web)))
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
