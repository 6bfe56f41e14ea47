"""`airboss events`: the whole stream."""

from typing import Annotated

import typer

from airboss.cli.completion import complete_agent, complete_event_type, complete_job
from airboss.cli.connecting import connect
from airboss.cli.event_lines import frame_line
from airboss.cli.following import Patience, follow
from airboss.cli.options import (
    PATIENCE_SECONDS,
    ConfigOption,
    JsonOption,
    PatienceOption,
    TokenOption,
    UrlOption,
)
from airboss.cli.terminal import is_terminal, say, tell, write_json_line


def events(
    *,
    types: Annotated[
        str | None,
        typer.Option(help="Only these types, separated by commas.", autocompletion=complete_event_type),
    ] = None,
    agent: Annotated[
        str | None, typer.Option(help="Only this agent's.", autocompletion=complete_agent)
    ] = None,
    job: Annotated[
        str | None, typer.Option("--job", help="Only this job's.", autocompletion=complete_job)
    ] = None,
    after: Annotated[
        int | None, typer.Option(help="Replay what came after this id; 0 begins at the oldest kept.")
    ] = None,
    patience_seconds: PatienceOption = PATIENCE_SECONDS,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow events until interrupted."""
    client = connect(url, token, config)
    parameters = {"types": types, "agent": agent, "job_id": job}
    if is_terminal():
        tell(f"airboss: following events from {'now on' if after is None else f'{after} on'}; Ctrl-C ends it")
    patience = Patience(patience_seconds, lambda text: tell(f"airboss: {text or 'connected again'}"))
    for frame in follow(client, "/v1/events", parameters, after, patience):
        if as_json:
            write_json_line(frame.data)
        else:
            say(frame_line(frame))
