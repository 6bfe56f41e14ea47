"""`airboss jobs`: list, show, watch, cancel, retry; `spawn` has a file of its own."""

from typing import Annotated, Any

import typer
from rich.text import Text

from airboss.cli import times
from airboss.cli.completion import complete_agent, complete_job, complete_live_job, complete_state
from airboss.cli.connecting import connect
from airboss.cli.job_page import job_page
from airboss.cli.options import (
    PATIENCE_SECONDS,
    ConfigOption,
    JsonOption,
    PatienceOption,
    TokenOption,
    UrlOption,
)
from airboss.cli.spawn import ToItsEnd, WaitOption, WatchOption, spawn, tell_spawned
from airboss.cli.table import Column, Listing
from airboss.cli.terminal import is_terminal, say, state_style, tell, write_json
from airboss.cli.watching import job_path, wait_for_job, watch_job
from airboss.domain.states import JobState

_MOST_PER_PAGE = 200

jobs = typer.Typer(help="Spawn, list, show, watch, cancel and retry jobs.", no_args_is_help=True)
jobs.command()(spawn)

JobId = Annotated[str, typer.Argument(metavar="JOB_ID", help="The job's id.", autocompletion=complete_job)]
LiveJobId = Annotated[
    str, typer.Argument(metavar="JOB_ID", help="The job's id.", autocompletion=complete_live_job)
]


@jobs.command("list")
def list_jobs(
    *,
    state: Annotated[
        list[str] | None,
        typer.Option(help="Only these states; may be repeated.", autocompletion=complete_state),
    ] = None,
    agent: Annotated[
        str | None, typer.Option(help="Only this agent's.", autocompletion=complete_agent)
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first (1 to 200).")] = 20,
    cursor: Annotated[str | None, typer.Option(help="Go on behind a page, as it said.")] = None,
    is_all: Annotated[bool, typer.Option("--all", help="All of them, page after page.")] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    client = connect(url, token, config)
    listing = Listing(_columns())
    parameters: dict[str, Any] = {
        "state": state,
        "agent": agent,
        "limit": str(_MOST_PER_PAGE if is_all else limit),
        "cursor": cursor,
    }
    while True:
        page = client.get("/v1/jobs", parameters)
        if as_json:
            for job in page["data"]:
                write_json(job)
        else:
            listing.add(page["data"])
        if not page["data"]:
            tell(
                "airboss: no job is like that"
                if state or agent or cursor
                else "airboss: there are no jobs yet"
            )
        if not page["has_more"]:
            return
        if not is_all:
            tell(f"airboss: there are more: --cursor {page['next_cursor']}, or --all")
            return
        parameters["cursor"] = page["next_cursor"]


@jobs.command()
def show(
    job_id: JobId,
    *,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a job with its input and its output, or why it has none and what to do."""
    job = connect(url, token, config).get(job_path(job_id))
    if as_json:
        write_json(job)
        return
    for line in job_page(job, times.now() if is_terminal() else None):
        say(line)


@jobs.command()
def watch(
    job_id: JobId,
    *,
    patience_seconds: PatienceOption = PATIENCE_SECONDS,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a job to its end, live on a terminal; the exit code is 0 only if it completed."""
    client = connect(url, token, config)
    raise typer.Exit(watch_job(client, job_id, as_json=as_json, patience_seconds=patience_seconds))


@jobs.command()
def cancel(
    job_id: LiveJobId,
    *,
    is_waiting: Annotated[bool, typer.Option("--wait", help="Wait until its work has stopped.")] = False,
    patience_seconds: PatienceOption = PATIENCE_SECONDS,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel a job."""
    client = connect(url, token, config)
    job = client.post(f"{job_path(job_id)}/cancel")
    if is_waiting:
        job = wait_for_job(client, job_id, patience_seconds=patience_seconds)
    if as_json:
        write_json(job)
        return
    stopping = "" if job["state"] == JobState.CANCELLED else ", stopping"
    say(Text.assemble(f"{job['id']}  ", (job["state"], state_style(job["state"])), stopping))


@jobs.command()
def retry(
    job_id: JobId,
    *,
    is_watching: WatchOption = False,
    is_waiting: WaitOption = False,
    patience_seconds: PatienceOption = PATIENCE_SECONDS,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Spawn a new job with the input of one that has ended."""
    client = connect(url, token, config)
    job = client.post(f"{job_path(job_id)}/retry")
    tell_spawned(client, job, ToItsEnd(is_watching, is_waiting, patience_seconds), as_json=as_json)


def _columns() -> list[Column]:
    now = times.now()
    is_relative = is_terminal()
    return [
        Column("id", lambda job: job["id"], width=36, is_whole=True),
        Column("state", lambda job: job["state"], width=9, style=state_style),
        Column("agent", lambda job: job["agent"], width=8, most=12),
        Column(
            "created",
            lambda job: times.relative(job["created_at"], now) if is_relative else job["created_at"],
            width=7,
        ),
        Column("input", lambda job: job["input_preview"], most=200),
    ]
