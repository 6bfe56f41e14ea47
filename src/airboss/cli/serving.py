"""What `airboss serve` does, and what `airboss config check` tries of it; loaded when a command needs it."""

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import structlog
import typer
import uvloop

from airboss.app.server import PortTakenError, Server, build_tls
from airboss.cli.exit_codes import ExitCode
from airboss.cli.failures import CommandError
from airboss.cli.settings import load, refusals_as_usage
from airboss.config.runtime_config import NotBuiltError, RuntimeConfig, TlsFilesError, to_runtime_config
from airboss.ports.store import StoreOpenError
from airboss.resilience.system_clock import SystemClock
from airboss.runtime.authentication import BadKeyError, require_keys
from airboss.runtime.runtime import Runtime
from airboss.runtime.secrets import ServerSecrets
from airboss.runtime.toolbox import (
    BadAllowlistError,
    UnknownToolError,
    UnsafeRootError,
    build_tools,
    build_web_client,
    require_tools,
)
from airboss.security.known_secrets import KnownSecrets
from airboss.security.secrets import SecretResolver
from airboss.telemetry.logs import configure_logs
from airboss.version import VERSION

_SETTINGS_ERRORS = (
    NotBuiltError,
    UnknownToolError,
    BadAllowlistError,
    BadKeyError,
    UnsafeRootError,
    TlsFilesError,
)


def serve(config: Path | None, flags: Mapping[str, object]) -> None:
    """Serve until a signal; raises `CommandError` where the start is refused."""
    loaded = load(config, flags)
    with refusals_as_usage(*_SETTINGS_ERRORS):
        runtime_config = to_runtime_config(loaded.settings, os.environ, Path.cwd())
        known = KnownSecrets()
        configure_logs(
            log_format=runtime_config.logs.log_format,
            level=runtime_config.logs.log_level,
            stream=sys.stderr,
            mask=known.mask,
        )
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(runtime_config, known))
        except (PortTakenError, StoreOpenError) as error:
            raise CommandError(str(error), ExitCode.FAILURE) from None


def check(config: Path | None) -> str:
    """Refuse what a start would refuse; return where the settings are from."""
    loaded = load(config)
    with refusals_as_usage(*_SETTINGS_ERRORS):
        # What only a start would find: tools that are not there, settings that are not served yet.
        runtime_config = to_runtime_config(loaded.settings, os.environ, Path.cwd())
        tools = build_tools(runtime_config, build_web_client(runtime_config.web))
        require_tools(runtime_config.agents, tools)
        if runtime_config.auth is not None:
            require_keys(runtime_config.auth, asyncio.run(_secrets(runtime_config, KnownSecrets())).read)
        build_tls(runtime_config.listen)
    return str(loaded.config_path or "the defaults and the environment")


async def _serve(config: RuntimeConfig, known: KnownSecrets) -> None:
    secrets = await _secrets(config, known)
    server = Server(Runtime(config, secrets.read, secrets.keep), _tell)
    # Behind the checks of the settings: a start that is refused leaves no trace.
    _make_data_dir(config)
    await server.run()


async def _secrets(config: RuntimeConfig, known: KnownSecrets) -> ServerSecrets:
    resolver = SecretResolver(os.environ, Path.cwd())
    secrets = ServerSecrets(config, resolver, known, clock=SystemClock(), log=structlog.get_logger())
    await secrets.warm()
    return secrets


def _make_data_dir(config: RuntimeConfig) -> None:
    """Make the folder of the database, for its owner only."""
    if config.database is not None:
        config.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _tell(url: str) -> None:
    typer.echo(f"Airboss {VERSION} is ready")
    typer.echo(f"  API        {url}/v1")
    typer.echo(f"  Dashboard  {url}/ui/")
    typer.echo(f"  Docs       {url}/docs")
