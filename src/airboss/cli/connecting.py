"""From a command's options to a client of the server they name."""

import atexit
import os
import re
from collections.abc import Callable
from pathlib import Path

import typer

from airboss.cli.api_client import ApiClient
from airboss.cli.late import Late, load_late
from airboss.cli.terminal import clean

#: Where a server is that nobody set: it saves loading the settings to learn that there are none.
DEFAULT_URL = "http://127.0.0.1:8700"
#: How the addresses end that `serve` prints.
_ADDRESSES_OF_SERVE = re.compile(r"/*(/(v1|ui|docs))?/*$")
_SETTINGS_FILE = "airboss.yaml"
_NOT_SETTINGS = ("AIRBOSS_URL", "AIRBOSS_TOKEN")


def connect(url: str | None, token: str | None, config: Path | None) -> ApiClient:
    """Return a client that is closed when the command has ended, in whatever way."""
    client = ApiClient(server_url(url, config, _warn), token)
    atexit.register(client.close)
    return client


def server_url(url: str | None, config: Path | None, warn: Callable[[str], None]) -> str:
    """Return where the server is: what was named, else what the settings say.

    `warn` is told of mistakes in the settings that leave the address as it is.
    """
    if url is not None:
        return _ADDRESSES_OF_SERVE.sub("", url)
    if not _are_there_settings(config):
        return DEFAULT_URL
    found: str = load_late(Late.SETTINGS).server_url(config, warn)
    return found


def _warn(text: str) -> None:
    typer.echo(f"airboss: warning: {clean(text)}", err=True)


def _are_there_settings(config: Path | None) -> bool:
    return (
        config is not None
        or Path(_SETTINGS_FILE).exists()
        or any(name.startswith("AIRBOSS_") and name not in _NOT_SETTINGS for name in os.environ)
    )
