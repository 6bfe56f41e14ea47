"""Where the server is when nobody says so."""

from airboss.cli.connecting import DEFAULT_URL
from airboss.config.server import ServerSettings


def test_the_default_address_is_that_of_the_settings() -> None:
    default = ServerSettings()
    assert f"http://{default.host}:{default.port}" == DEFAULT_URL
