"""`airboss events`: the whole stream."""

import json
from typing import Annotated

import typer

from airboss.cli.connecting import connect
from airboss.cli.following import follow
from airboss.cli.options import ConfigOption, JsonOption, TokenOption, UrlOption
from airboss.cli.render import describe_event


def events(
    *,
    types: Annotated[str | None, typer.Option(help="Only these types, separated by commas.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only this agent's.")] = None,
    job: Annotated[str | None, typer.Option("--job", help="Only this job's.")] = None,
    after: Annotated[
        int | None, typer.Option(help="Replay what came after this id; 0 begins at the oldest kept.")
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow events until interrupted."""
    client = connect(url, token, config)
    parameters = {"types": types, "agent": agent, "job_id": job}
    for frame in follow(client, "/v1/events", parameters, after):
        if as_json:
            typer.echo(frame.data)
        elif frame.id is None:
            typer.echo(f"{frame.event} {frame.data}")
        else:
            typer.echo(describe_event(json.loads(frame.data)))
