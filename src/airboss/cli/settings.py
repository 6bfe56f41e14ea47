"""What commands do with the settings; loaded when a command needs them."""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from airboss.cli.failures import UsageError
from airboss.config import LoadedSettings, SettingsError, SettingsReading, read_settings
from airboss.config.schema import settings_schema
from airboss.config.show import render_json, render_yaml, shown

_ADDRESS = (("server", "host"), ("server", "port"), ("server", "tls_cert_path"))
_NAME_THE_SERVER = "mend the settings, or say where the server is with --url or AIRBOSS_URL"


@contextmanager
def refusals_as_usage(*kinds: type[Exception]) -> Iterator[None]:
    """Turn refusals of the settings into failures of the command."""
    try:
        yield
    except kinds as error:
        raise UsageError(str(error)) from None


def read(config: Path | None, flags: Mapping[str, object]) -> SettingsReading:
    """Read the settings, right or wrong; raises `SettingsError` where a file cannot be read at all."""
    return read_settings(config_path=config, environ=os.environ, flags=flags, cwd=Path.cwd())


def load(config: Path | None) -> LoadedSettings:
    """Load the settings, which must be right."""
    with refusals_as_usage(SettingsError):
        return read(config, {}).loaded()


def server_url(config: Path | None, warn: Callable[[str], None]) -> str:
    """Return where the server is, as the settings have it; `warn` is told of mistakes elsewhere in them.

    Whoever edits the file must not be locked out of a server that runs well.
    """
    reading = _with_address(config)
    try:
        reading.loaded()
    except SettingsError as error:
        warn(f"the settings have mistakes ('airboss config check' tells them all): {error.problems[0]}")
    server = reading.settings.server
    host = f"[{server.host}]" if ":" in server.host else server.host
    scheme = "https" if server.tls_cert_path else "http"
    return f"{scheme}://{host}:{server.port}"


def _with_address(config: Path | None) -> SettingsReading:
    """Read settings that tell where the server is; raises `UsageError` where they do not."""
    try:
        reading = read(config, {})
        if not reading.is_sound(*_ADDRESS):
            reading.loaded()
    except SettingsError as error:
        raise UsageError(str(error), _NAME_THE_SERVER) from None
    return reading


def port(config: Path | None) -> int:
    """Return the port of the settings, also where something else is wrong with them."""
    with refusals_as_usage(SettingsError):
        return read(config, {}).settings.server.port


def as_text(config: Path | None, *, as_json: bool) -> str:
    """Return the merged settings with their origins, secrets masked."""
    rows = shown(load(config))
    return json.dumps(render_json(rows), indent=2) if as_json else render_yaml(rows)


def schema_text() -> str:
    return json.dumps(settings_schema(), indent=2)
