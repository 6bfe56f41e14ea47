"""`airboss providers`: who answers, and how they are."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from airboss.cli import times
from airboss.cli.completion import complete_provider
from airboss.cli.connecting import connect
from airboss.cli.exit_codes import ExitCode
from airboss.cli.groups import ListFirstGroup
from airboss.cli.options import ConfigOption, JsonOption, TokenOption, UrlOption
from airboss.cli.table import Column, Listing
from airboss.cli.terminal import tell, write_json

providers = typer.Typer(cls=ListFirstGroup, help="List the providers and their models.")


def _calls(provider: Mapping[str, Any]) -> str:
    limits = provider["limits"]
    waiting = f", {limits['calls_waiting']} wait" if limits["calls_waiting"] else ""
    return f"{limits['calls_in_flight']} of {limits['max_concurrent_calls']}{waiting}"


def _breakers(provider: Mapping[str, Any]) -> str:
    return " ".join(map(_breaker, provider["breakers"]))


def _breaker(breaker: Mapping[str, Any]) -> str:
    seconds = breaker["retry_after_seconds"]
    rest = "" if seconds is None else f" ({times.duration(seconds)} left)"
    return f"{breaker['model']}:{breaker['state']}{rest}"


_COLUMNS = (
    Column("name", lambda provider: provider["name"], most=20, is_whole=True),
    Column("kind", lambda provider: provider["kind"], most=17),
    Column("wire", lambda provider: provider["wire"], most=16),
    Column("calls", _calls),
    Column("breakers", _breakers, most=200),
)


@providers.command("list")
def list_providers(
    *,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the providers with their calls and breakers; 'airboss providers' alone does the same."""
    listed = connect(url, token, config).list("/v1/providers")
    if as_json:
        for provider in listed:
            write_json(provider)
    else:
        Listing(_COLUMNS).add(listed)


@providers.command()
def models(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The provider's name.", autocompletion=complete_provider)
    ],
    *,
    is_refreshing: Annotated[
        bool, typer.Option("--refresh", help="Ask the provider now, not what was kept.")
    ] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the models that a provider offers."""
    client = connect(url, token, config)
    path = f"/v1/providers/{quote(name, safe='')}/models"
    listed = client.post(f"{path}/refresh") if is_refreshing else client.get(path)
    if as_json:
        for model in listed["data"]:
            write_json(model)
    elif listed["data"] or listed["error"] is None:
        Listing([Column("model", lambda model: model["name"], is_whole=True)]).add(listed["data"])
    if listed["error"] is not None:
        tell(f"airboss: the provider could not be asked: {listed['error']['message']}")
        if not listed["data"]:
            raise typer.Exit(ExitCode.FAILURE)
    elif listed["age_seconds"] is not None:
        tell(f"airboss: asked {times.duration(listed['age_seconds'])} ago; --refresh asks again")
