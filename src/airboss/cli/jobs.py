"""`airboss jobs`: spawn, list, show, watch, cancel."""

import json
import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from airboss.cli.api_client import ApiClient, ApiError
from airboss.cli.connecting import connect
from airboss.cli.following import follow
from airboss.cli.options import ConfigOption, JsonOption, TokenOption, UrlOption
from airboss.cli.render import describe_event, echo_job, echo_jobs, echo_json

#: The job ended, but not with an answer.
NOT_COMPLETED_EXIT = 3
_FINAL = ("completed", "failed", "cancelled", "timed_out")

jobs = typer.Typer(help="Spawn, list, show, watch and cancel jobs.", no_args_is_help=True)
JobId = Annotated[str, typer.Argument(help="The job's id.")]


@jobs.command()
def spawn(
    agent: Annotated[str, typer.Argument(help="The agent's name; 'airboss agents' lists them.")],
    text: Annotated[str, typer.Argument(metavar="INPUT", help="What to ask; '-' reads standard input.")],
    *,
    as_json_input: Annotated[bool, typer.Option("--json-input", help="INPUT is JSON, not text.")] = False,
    timeout_seconds: Annotated[float | None, typer.Option(help="Running time in seconds.")] = None,
    priority: Annotated[int | None, typer.Option(help="0 to 9, higher first.")] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="Makes a repeat harmless.")] = None,
    follow_it: Annotated[bool, typer.Option("--watch", help="Follow the job to its end.")] = False,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Spawn a job."""
    client = connect(url, token, config)
    body: dict[str, Any] = {"agent": agent, "input": _input(text, as_json=as_json_input)}
    if timeout_seconds is not None:
        body["timeout_seconds"] = timeout_seconds
    if priority is not None:
        body["priority"] = priority
    job = client.post("/v1/jobs", body, {"Idempotency-Key": key} if key else None)
    if follow_it:
        watch_job(client, job["id"], as_json=as_json)
    elif as_json:
        echo_json(job)
    else:
        typer.echo(f"{job['id']}  {job['state']}")


@jobs.command("list")
def list_jobs(
    *,
    state: Annotated[list[str] | None, typer.Option(help="Only these states; may be repeated.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only this agent's.")] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first (1 to 200).")] = 20,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List jobs, newest first."""
    client = connect(url, token, config)
    page = client.get("/v1/jobs", {"state": state, "agent": agent, "limit": str(limit)})
    if as_json:
        for job in page["data"]:
            echo_json(job)
    else:
        echo_jobs(page["data"])


@jobs.command()
def show(
    job_id: JobId,
    *,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show a job with its output."""
    job = connect(url, token, config).get(_path(job_id))
    (echo_json if as_json else echo_job)(job)


@jobs.command()
def watch(
    job_id: JobId,
    *,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow a job to its end; the exit code is 0 only if it completed."""
    watch_job(connect(url, token, config), job_id, as_json=as_json)


@jobs.command()
def cancel(
    job_id: JobId,
    *,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Cancel a job."""
    job = connect(url, token, config).post(f"{_path(job_id)}/cancel")
    if as_json:
        echo_json(job)
    else:
        stopping = "" if job["state"] == "cancelled" else ", stopping"
        typer.echo(f"{job['id']}  {job['state']}{stopping}")


def watch_job(client: ApiClient, job_id: str, *, as_json: bool) -> None:
    """Show a job's events as they come, then how it ended."""
    for frame in follow(client, f"{_path(job_id)}/events", {}, after=0):
        if as_json:
            typer.echo(frame.data)
        elif frame.id is not None:
            typer.echo(describe_event(json.loads(frame.data)))
    job = client.get(_path(job_id))
    if not as_json:
        typer.echo(f"\n{job['state']}: {_ending(job)}")
    if job["state"] in _FINAL and job["state"] != "completed":
        raise typer.Exit(NOT_COMPLETED_EXIT)


def _path(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"


def _ending(job: dict[str, Any]) -> str:
    if job["error"] is not None:
        return f"{job['error']['code']}: {job['error']['message']}"
    output = job["output"]
    return output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)


def _input(text: str, *, as_json: bool) -> Any:
    if text == "-":
        text = sys.stdin.read()
    if not as_json:
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise ApiError(f"INPUT is not JSON: {error}") from None
