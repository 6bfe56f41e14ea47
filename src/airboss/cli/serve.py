"""`airboss serve`."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
import uvloop

from airboss.app.server import Server
from airboss.cli.options import ConfigOption, load
from airboss.config.runtime_config import RuntimeConfig, to_runtime_config
from airboss.runtime.runtime import Runtime
from airboss.security.secrets import SecretReference, SecretResolver
from airboss.telemetry.logs import configure_logs
from airboss.version import VERSION


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the database lives.")] = None,
    config: ConfigOption = None,
) -> None:
    """Serve the API, the dashboard and the workers."""
    flags = {"server.host": host, "server.port": port, "server.data_dir": data_dir and str(data_dir)}
    runtime_config = to_runtime_config(load(config, flags).settings, os.environ, Path.cwd())
    configure_logs(
        log_format=runtime_config.logs.log_format, level=runtime_config.logs.log_level, stream=sys.stderr
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(runtime_config))


async def _serve(config: RuntimeConfig) -> None:
    resolver = SecretResolver(os.environ, Path.cwd())
    runtime = Runtime(config, lambda reference: resolver.resolve(SecretReference.parse(reference)))
    # Behind the checks of the settings: a start that is refused leaves no trace.
    make_data_dir(config)
    await Server(runtime, _tell).run()


def make_data_dir(config: RuntimeConfig) -> None:
    """Make the folder of the database, for its owner only."""
    if config.database is not None:
        config.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _tell(url: str) -> None:
    typer.echo(f"Airboss {VERSION} is ready")
    typer.echo(f"  API        {url}/v1")
    typer.echo(f"  Dashboard  {url}/ui/")
    typer.echo(f"  Docs       {url}/docs")
