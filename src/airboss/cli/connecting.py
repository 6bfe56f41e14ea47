"""From a command's options to a client of the server they name."""

import atexit
from pathlib import Path

from airboss.cli.api_client import ApiClient
from airboss.cli.options import server_url


def connect(url: str | None, token: str | None, config: Path | None) -> ApiClient:
    """Return a client that is closed when the command has ended, in whatever way."""
    client = ApiClient(server_url(url, config), token)
    atexit.register(client.close)
    return client
