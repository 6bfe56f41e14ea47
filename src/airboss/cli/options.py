"""Options that commands share, and the settings they lead to."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from airboss.config import LoadedSettings, load_settings

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Settings file; else AIRBOSS_CONFIG, else ./airboss.yaml.")
]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", envvar="AIRBOSS_URL", help="Address of the server; else as in the settings."),
]
TokenOption = Annotated[
    str | None, typer.Option("--token", envvar="AIRBOSS_TOKEN", help="Token, where the server asks for one.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON for machines, one document per line.")]


def load(config: Path | None, flags: Mapping[str, object] | None = None) -> LoadedSettings:
    """Load the settings; the one place where the process's environment is read."""
    return load_settings(config_path=config, environ=os.environ, flags=flags or {}, cwd=Path.cwd())


def server_url(url: str | None, config: Path | None) -> str:
    """Return where the server is."""
    if url is not None:
        return url.rstrip("/")
    server = load(config).settings.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    scheme = "https" if server.tls_cert_path else "http"
    return f"{scheme}://{host}:{server.port}"
