"""What `airboss serve` does, and what `airboss config check` tries of it; loaded when a command needs it."""

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import structlog
import typer
import uvloop

from airboss.app.server import PortTakenError, Server
from airboss.app.start_check import check_start
from airboss.cli.exit_codes import ExitCode
from airboss.cli.failures import CommandError
from airboss.cli.settings import read, refusals_as_usage
from airboss.config.findings import RefusedSettingsError
from airboss.config.problems import SettingsError
from airboss.config.reading import LoadedSettings, SettingsReading
from airboss.config.runtime_config import RuntimeConfig, to_runtime_config, vault_policy
from airboss.ports.store import StoreOpenError
from airboss.resilience.system_clock import SystemClock
from airboss.runtime.runtime import Runtime
from airboss.runtime.secrets import ServerSecrets
from airboss.security.known_secrets import KnownSecrets
from airboss.security.secrets import SecretResolver
from airboss.storage.sqlite.lock import DatabaseInUseError, check_unused
from airboss.telemetry.logs import configure_logs
from airboss.version import VERSION


def serve(config: Path | None, flags: Mapping[str, object]) -> None:
    """Serve until a signal; raises `CommandError` where the start is refused."""
    with refusals_as_usage(SettingsError, RefusedSettingsError):
        reading = read(config, flags)
        known = KnownSecrets()
        _configure_logs(reading, known)
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(_serve(reading, known))
        except (PortTakenError, StoreOpenError) as error:
            raise CommandError(str(error), ExitCode.FAILURE) from None


def check(config: Path | None) -> str:
    """Refuse what a start would refuse; return where the settings are from."""
    with refusals_as_usage(SettingsError):
        reading = read(config, {})
        known = KnownSecrets()
        _configure_logs(reading, known)
        loaded, _ = asyncio.run(_checked(reading, known))
    return str(loaded.config_path or "the defaults and the environment")


async def _serve(reading: SettingsReading, known: KnownSecrets) -> None:
    loaded, secrets = await _checked(reading, known)
    config = to_runtime_config(loaded.settings, os.environ, Path.cwd())
    server = Server(Runtime(config, secrets.read, secrets.keep), _Tell())
    # Behind the checks of the settings: a start that is refused leaves no trace.
    _make_data_dir(config)
    try:
        await server.run()
    except PortTakenError as error:
        _refuse_second_server(error, config)
        raise


def _refuse_second_server(taken: PortTakenError, config: RuntimeConfig) -> None:
    """Say so where this folder's own server runs: another port would not help it."""
    if config.database is None:
        return
    try:
        check_unused(config.database)
    except DatabaseInUseError as error:
        text = (
            f"{taken.reason}; this folder's Airboss runs already: {error.use}; use that one, or stop it first"
        )
        raise CommandError(text, ExitCode.FAILURE) from None


async def _checked(reading: SettingsReading, known: KnownSecrets) -> tuple[LoadedSettings, ServerSecrets]:
    """Check all that a start needs; raises `SettingsError` with everything that is wrong."""
    vault = vault_policy(reading.settings) if reading.is_sound(("secrets", "vault")) else None
    resolver = SecretResolver(os.environ, Path.cwd())
    secrets = ServerSecrets(vault, resolver, known, clock=SystemClock(), log=structlog.get_logger())
    await secrets.warm()
    check_start(reading, os.environ, Path.cwd(), secrets.read)
    return reading.loaded(), secrets


def _configure_logs(reading: SettingsReading, known: KnownSecrets) -> None:
    telemetry = reading.settings.telemetry
    configure_logs(
        log_format=telemetry.log_format, level=telemetry.log_level, stream=sys.stderr, mask=known.mask
    )


def _make_data_dir(config: RuntimeConfig) -> None:
    """Make the folder of the database, for its owner only."""
    if config.database is not None:
        config.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


class _Tell:
    """Tells it on standard output."""

    def ready(self, url: str) -> None:
        typer.echo(f"Airboss {VERSION} is ready")
        typer.echo(f"  API        {url}/v1")
        typer.echo(f"  Dashboard  {url}/ui/")
        typer.echo(f"  Docs       {url}/docs")

    def stopping(self, running: int, grace_seconds: float) -> None:
        # Elsewhere nobody waits in front of it, and the log has the figures.
        if not (running and sys.stdout.isatty()):
            return
        jobs, them = ("job", "it") if running == 1 else ("jobs", "them")
        waiting = f"waiting up to {grace_seconds:g} s for {running} running {jobs}"
        # A terminal that has gone is no reason to leave in a hurry.
        with suppress(OSError):
            typer.echo(f"Stopping: {waiting}; Ctrl-C again hands {them} back to the queue")
