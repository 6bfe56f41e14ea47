"""Options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

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
PatienceOption = Annotated[
    float,
    typer.Option(
        "--reconnect-seconds",
        min=0,
        help="How long to try to reach the server again when the connection breaks off.",
    ),
]
PATIENCE_SECONDS = 60.0
