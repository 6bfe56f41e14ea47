"""What a shell offers: names and ids from the server, if it answers at once, and nothing otherwise."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import typer

from airboss.cli.api_client import ApiClient
from airboss.cli.connecting import server_url
from airboss.cli.failures import CommandError
from airboss.cli.terminal import one_line
from airboss.domain.event_types import EventType
from airboss.domain.states import LIVE_STATES, JobState

#: A key press should not be felt.
_ANSWER_SECONDS = 0.5
_MOST_JOBS = "50"

Offers = list[tuple[str, str]]


def complete_agent(ctx: typer.Context, incomplete: str) -> Offers:
    agents = _ask(ctx, "/v1/agents", {})
    return list(_beginning(incomplete, ((each["name"], each["model"]) for each in agents)))


def complete_provider(ctx: typer.Context, incomplete: str) -> Offers:
    providers = _ask(ctx, "/v1/providers", {})
    return list(_beginning(incomplete, ((each["name"], each["kind"]) for each in providers)))


def complete_job(ctx: typer.Context, incomplete: str) -> Offers:
    return _jobs(ctx, incomplete, ())


def complete_live_job(ctx: typer.Context, incomplete: str) -> Offers:
    return _jobs(ctx, incomplete, sorted(LIVE_STATES))


def complete_state(incomplete: str) -> list[str]:
    return [state for state in JobState if state.startswith(incomplete)]


def complete_event_type(incomplete: str) -> list[str]:
    """Offer types behind the last comma."""
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{kind}" for kind in EventType if kind.startswith(last)]


def _jobs(ctx: typer.Context, incomplete: str, states: Sequence[str]) -> Offers:
    jobs = _ask(ctx, "/v1/jobs", {"limit": _MOST_JOBS, "state": states})
    told = ((each["id"], f"{each['state']} {each['agent']}: {each['input_preview'][:40]}") for each in jobs)
    return list(_beginning(incomplete, told))


def _beginning(incomplete: str, offers: Any) -> Iterator[tuple[str, str]]:
    return ((one_line(name), one_line(told)) for name, told in offers if name.startswith(incomplete))


def _ask(ctx: typer.Context, path: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    given = {name: ctx.params.get(name) for name in ("url", "token", "config")}
    config = Path(given["config"]) if given["config"] else None
    try:
        client = ApiClient(server_url(given["url"], config, _keep_quiet), given["token"], _ANSWER_SECONDS)
        try:
            documents: list[dict[str, Any]] = client.get(path, parameters)["data"]
        finally:
            client.close()
    except (CommandError, KeyError, OSError):
        # There is nobody to tell: what a completion writes lands in the line that is being typed.
        return []
    return documents


def _keep_quiet(_text: str) -> None:
    """Say nothing in the middle of a line that is being typed."""
