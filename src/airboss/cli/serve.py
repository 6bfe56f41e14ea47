"""`airboss serve`."""

from pathlib import Path
from typing import Annotated

import typer

from airboss.cli.late import Late, load_late
from airboss.cli.options import ConfigOption


def serve(
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Where the database lives.")] = None,
    config: ConfigOption = None,
) -> None:
    """Serve the API, the dashboard and the workers."""
    flags = {"server.host": host, "server.port": port, "server.data_dir": data_dir and str(data_dir)}
    load_late(Late.SERVING).serve(config, flags)
