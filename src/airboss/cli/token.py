"""`airboss token issue`."""

from typing import Annotated

import typer

from airboss.cli.late import Late, load_late
from airboss.cli.options import ConfigOption
from airboss.domain.principals import Role

HOUR_SECONDS = 3_600
CENTURY_SECONDS = 100 * 365 * 24 * HOUR_SECONDS

token = typer.Typer(help="Tokens for a server that asks for one.", no_args_is_help=True)


def _known_roles(roles: list[str]) -> list[str]:
    for role in roles:
        if role not in tuple(Role):
            raise typer.BadParameter(f"'{role}' is not one of {', '.join(Role)}.")
    return roles


@token.callback()
def tokens() -> None:
    """Keep `issue` a command of its own: a group of one would swallow its name."""


@token.command()
def issue(
    subject: Annotated[str, typer.Option("--subject", help="Who the token stands for.")],
    role: Annotated[
        list[str],
        typer.Option(
            "--role",
            help="What it may do; each includes the weaker ones.",
            metavar=f"[{'|'.join(Role)}]",
            callback=_known_roles,
            autocompletion=lambda: list(Role),
        ),
    ],
    tenant: Annotated[str | None, typer.Option("--tenant", help="Whose jobs it sees; else default.")] = None,
    ttl_seconds: Annotated[
        int, typer.Option("--ttl-seconds", min=1, max=CENTURY_SECONDS, help="How long it is good.")
    ] = HOUR_SECONDS,
    config: ConfigOption = None,
) -> None:
    """Sign a token with the key of the settings, and print it."""
    issued = load_late(Late.ISSUING).issue(
        config, subject=subject, roles=role, tenant=tenant, ttl_seconds=ttl_seconds
    )
    typer.echo(issued)
