"""What a start would refuse, told before anything is started: all of it at once, by the parts that know."""

from collections.abc import Callable, Mapping
from pathlib import Path

from airboss.app.late import Late, load_late
from airboss.config.findings import RefusedSettingsError
from airboss.config.not_built import not_built
from airboss.config.reading import SettingsReading
from airboss.config.runtime_config import agent_specs, data_folder, files_policy, jwt_policy
from airboss.runtime.authentication import require_keys
from airboss.runtime.toolbox import unknown_tools, unsafe_root

_JWT = ("auth", "jwt")


def check_start(
    reading: SettingsReading, environ: Mapping[str, str], cwd: Path, read_secret: Callable[[str], str]
) -> None:
    """Add to what is wrong with the settings; a check whose inputs are broken themselves is left out."""
    settings = reading.settings
    reading.add(not_built(settings))
    reading.add(unknown_tools(agent_specs(settings, environ)))
    reading.add(unsafe_root(files_policy(settings, cwd), data_folder(settings, cwd)))
    _check_keys(reading, cwd, read_secret)
    _check_tls(reading, cwd)


def _check_keys(reading: SettingsReading, cwd: Path, read_secret: Callable[[str], str]) -> None:
    jwt = reading.settings.auth.jwt
    source = (*_JWT, "secret" if jwt.algorithms[0] == "HS256" else "public_key_path")
    inputs = (("auth", "mode"), (*_JWT, "algorithms"), source)
    if reading.settings.auth.mode == "off" or not reading.is_sound(*inputs):
        return
    if jwt.secret is not None and jwt.secret.store == "vault" and not reading.is_sound(("secrets", "vault")):
        return
    try:
        require_keys(jwt_policy(reading.settings, cwd), read_secret)
    except RefusedSettingsError as error:
        reading.add(error.findings)


def _check_tls(reading: SettingsReading, cwd: Path) -> None:
    server = reading.settings.server
    named = {
        name: cwd / path
        for name in ("tls_cert_path", "tls_key_path")
        if (path := getattr(server, name)) is not None and reading.is_sound(("server", name))
    }
    if named:
        find = load_late(Late.TLS).unusable_files
        reading.add(find(named.get("tls_cert_path"), named.get("tls_key_path")))
