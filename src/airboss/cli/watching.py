"""Watching a job to its end, and waiting for it."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from rich.text import Text

from airboss.cli import times
from airboss.cli.api_client import ApiClient
from airboss.cli.event_lines import frame_line
from airboss.cli.exit_codes import OF_END, ExitCode
from airboss.cli.failures import CommandError, RefusedError, UnreachableError
from airboss.cli.following import LOOK_SECONDS, FollowedJob, Patience, wait_for_end
from airboss.cli.job_page import error_lines, usage_text
from airboss.cli.job_view import JobView
from airboss.cli.live_view import LiveView, step_lines
from airboss.cli.terminal import (
    as_text,
    clean,
    console,
    error_console,
    is_terminal,
    say,
    state_style,
    tell,
    write_json,
    write_json_line,
)
from airboss.domain.states import JobState

_LOOK_SECONDS_ON_TERMINALS = 2
_OF_THE_TOKEN = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

Job = Mapping[str, Any]


def job_path(job_id: str) -> str:
    return f"/v1/jobs/{quote(job_id, safe='')}"


def watch_job(client: ApiClient, job_id: str, *, as_json: bool, patience_seconds: float) -> ExitCode:
    """Show a job until it ends, in the way that fits the reader, and return how it ended."""
    with _leaving(job_id):
        if as_json:
            return _watch_json(client, job_id, patience_seconds)
        if is_terminal() and not console().is_dumb_terminal:
            return _watch_live(client, job_id, patience_seconds)
        return watch_lines(client, job_id, patience_seconds)


def watch_lines(client: ApiClient, job_id: str, patience_seconds: float) -> ExitCode:
    """Write a line for each event, then how the job ended."""
    patience = Patience(patience_seconds, _tell_trouble)
    followed = FollowedJob(client, job_path(job_id), patience)
    for frame in followed.frames():
        if frame.id is not None:
            say(frame_line(frame))
    job = followed.job()
    say(Text.assemble("\n", (f"{job['state']}: ", state_style(job["state"])), _ending(job)))
    for line in list(error_lines(job))[1:] if job["error"] is not None else []:
        say(line)
    return code_of(job)


def wait_for_job(client: ApiClient, job_id: str, *, patience_seconds: float) -> dict[str, Any]:
    """Return the job when it has ended; on a terminal it says meanwhile what it waits for."""
    with _leaving(job_id):
        if not (sys.stderr.isatty() and is_terminal()):
            patience = Patience(patience_seconds, _tell_trouble)
            return wait_for_end(client, job_path(job_id), patience, LOOK_SECONDS, lambda _: None)
        with error_console().status(Text(job_id)) as status:
            return wait_for_end(
                client,
                job_path(job_id),
                Patience(patience_seconds, lambda text: status.update(Text(text or job_id))),
                _LOOK_SECONDS_ON_TERMINALS,
                lambda job: status.update(Text(f"{job_id}  {_standing(job)}")),
            )


def finish(job: Job, *, as_json: bool) -> ExitCode:
    """Write what came of a job: its output alone, or on standard error why there is none."""
    if as_json:
        write_json(job)
    elif job["state"] == JobState.COMPLETED:
        say(as_text(job["output"]))
    else:
        tell(f"airboss: {job['id']} {job['state']}: {_ending(job)}")
        for line in list(error_lines(job))[1:] if job["error"] is not None else []:
            error_console().print(line)
    return code_of(job)


def code_of(job: Job) -> ExitCode:
    return OF_END.get(job["state"], ExitCode.FAILURE)


def _watch_json(client: ApiClient, job_id: str, patience_seconds: float) -> ExitCode:
    patience = Patience(patience_seconds, _tell_trouble)
    followed = FollowedJob(client, job_path(job_id), patience)
    for frame in followed.frames():
        write_json_line(frame.data)
    return code_of(followed.job())


def _watch_live(client: ApiClient, job_id: str, patience_seconds: float) -> ExitCode:
    view = JobView(job_id)
    with LiveView(console(), client, job_path(job_id), view) as live:
        followed = FollowedJob(client, job_path(job_id), Patience(patience_seconds, live.trouble))
        for frame in followed.frames():
            if frame.id is not None:
                live.apply(json.loads(frame.data))
        job = followed.job()
    for line in step_lines(view):
        console().print(line, soft_wrap=False, no_wrap=True, overflow="ellipsis")
    _say_end(job)
    return code_of(job)


def _say_end(job: Job) -> None:
    say()
    if job["error"] is not None:
        for line in error_lines(job):
            say(line)
    elif job["output"] is not None:
        say(Text(as_text(job["output"])))
        say()
    took = times.between(job["started_at"], job["finished_at"])
    facts = (f"{took} from start to end" if took else "", usage_text(job), job["id"])
    told = ", ".join(fact for fact in facts if fact)
    say(Text.assemble((job["state"], state_style(job["state"])), (f"  {told}", "dim")))


@contextmanager
def _leaving(job_id: str) -> Iterator[None]:
    """Say that a job goes on when nobody watches it any more."""
    try:
        yield
    except KeyboardInterrupt:
        tell(
            f"\nairboss: stopped watching; the job goes on. 'airboss jobs watch {job_id}' goes on watching,"
            f" 'airboss jobs cancel {job_id}' stops the job."
        )
        raise
    except (UnreachableError, RefusedError) as error:
        if isinstance(error, RefusedError) and error.status not in _OF_THE_TOKEN:
            raise
        # The job is on the server's disk, whatever became of the connection or of the token.
        before = f"{error.advice}; then " if error.advice else ""
        advice = f"{before}'airboss jobs watch {clean(job_id)}'"
        raise CommandError(str(error), error.code, advice) from None


def _tell_trouble(text: str) -> None:
    tell(f"airboss: {text or 'connected again'}")


def _standing(job: Job) -> str:
    if (position := job["queue_position"]) is not None:
        return f"{job['state']}, number {position} in the queue"
    not_before = times.still_to_come(job["run_at"]) if job["state"] == JobState.PENDING else None
    return str(job["state"]) if not_before is None else f"{job['state']}, not before {not_before}"


def _ending(job: Job) -> str:
    if job["error"] is not None:
        return clean(f"{job['error']['code']}: {job['error']['message']}")
    return as_text(job["output"]) if job["output"] is not None else "no output"
