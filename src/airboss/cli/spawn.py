"""`airboss jobs spawn`."""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.text import Text

from airboss.cli.api_client import ApiClient
from airboss.cli.completion import complete_agent
from airboss.cli.connecting import connect
from airboss.cli.failures import UsageError
from airboss.cli.options import (
    PATIENCE_SECONDS,
    ConfigOption,
    JsonOption,
    PatienceOption,
    TokenOption,
    UrlOption,
)
from airboss.cli.terminal import say, state_style, tell, write_json
from airboss.cli.watching import Job, finish, wait_for_job, watch_job

_STANDARD_INPUT = "-"

AgentName = Annotated[
    str,
    typer.Argument(
        metavar="AGENT", help="The agent's name; 'airboss agents' lists them.", autocompletion=complete_agent
    ),
]
WatchOption = Annotated[bool, typer.Option("--watch", help="Follow the job to its end.")]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Wait for the job's end and write its output alone.")
]


@dataclass(frozen=True)
class ToItsEnd:
    """Whether and how a new job is followed to its end."""

    is_watched: bool
    is_awaited: bool
    patience_seconds: float


def spawn(
    agent: AgentName,
    words: Annotated[
        str | None, typer.Argument(metavar="INPUT", help="What to ask; '-' reads standard input.")
    ] = None,
    *,
    text: Annotated[
        str | None, typer.Option("--input", help="What to ask; '-' reads standard input.")
    ] = None,
    document: Annotated[
        str | None, typer.Option("--input-json", help="What to ask, as JSON; '-' reads standard input.")
    ] = None,
    timeout_seconds: Annotated[float | None, typer.Option(help="Running time in seconds.")] = None,
    priority: Annotated[int | None, typer.Option(help="0 to 9, higher first.")] = None,
    max_queue_wait_seconds: Annotated[
        float | None, typer.Option(help="How long it may wait for its first start.")
    ] = None,
    run_at: Annotated[
        str | None, typer.Option(help="Not before this moment, like 2026-11-22T06:00:00Z.")
    ] = None,
    metadata: Annotated[
        list[str] | None, typer.Option(help="KEY=VALUE, may be repeated; or one JSON object.")
    ] = None,
    key: Annotated[str | None, typer.Option("--idempotency-key", help="Makes a repeat harmless.")] = None,
    is_watching: WatchOption = False,
    is_waiting: WaitOption = False,
    patience_seconds: PatienceOption = PATIENCE_SECONDS,
    url: UrlOption = None,
    token: TokenOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Spawn a job."""
    options = {
        "timeout_seconds": timeout_seconds,
        "priority": priority,
        "max_queue_wait_seconds": max_queue_wait_seconds,
        "run_at": run_at,
        "metadata": _metadata(metadata or ()) or None,
    }
    body = {"agent": agent, "input": _input(words, text, document)}
    body |= {name: value for name, value in options.items() if value is not None}
    client = connect(url, token, config)
    job = client.post("/v1/jobs", _sendable(body), {"Idempotency-Key": _header(key)} if key else None)
    to_its_end = ToItsEnd(is_watching, is_waiting, patience_seconds)
    tell_spawned(client, job, to_its_end, as_json=as_json)


def tell_spawned(client: ApiClient, job: Job, to_its_end: ToItsEnd, *, as_json: bool) -> None:
    """Say which job there is now, or what comes of it."""
    patience_seconds = to_its_end.patience_seconds
    if to_its_end.is_watched and to_its_end.is_awaited:
        tell("airboss: --watch follows the job to its end, so --wait adds nothing")
    if to_its_end.is_watched:
        raise typer.Exit(watch_job(client, job["id"], as_json=as_json, patience_seconds=patience_seconds))
    if to_its_end.is_awaited:
        ended = wait_for_job(client, job["id"], patience_seconds=patience_seconds)
        raise typer.Exit(finish(ended, as_json=as_json))
    if as_json:
        write_json(job)
    else:
        say(Text.assemble(f"{job['id']}  ", (job["state"], state_style(job["state"]))))


def _input(words: str | None, text: str | None, document: str | None) -> Any:
    given = [each for each in (words, text, document) if each is not None]
    ways = "as INPUT ('-' reads standard input), with --input or with --input-json"
    if not given:
        raise UsageError(f"give what to ask: {ways}")
    if len(given) > 1:
        raise UsageError(f"give what to ask once: {ways}")
    source = _read_standard_input() if given[0] == _STANDARD_INPUT else given[0]
    return source if document is None else _json(source, "--input-json")


def _read_standard_input() -> str:
    try:
        return sys.stdin.read()
    except UnicodeDecodeError as error:
        raise UsageError(
            f"standard input is no text in UTF-8: {error.reason} at byte {error.start}"
        ) from None


def _json(text: str, option: str) -> Any:
    """Read JSON as RFC 8259 has it: Python's parser takes more, which no server would."""
    try:
        document = json.loads(text)
        json.dumps(document, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{option} is not JSON: {error}") from None
    return document


def _metadata(entries: Sequence[str]) -> dict[str, Any]:
    if len(entries) == 1 and entries[0].lstrip().startswith("{"):
        document: dict[str, Any] = _json(entries[0], "--metadata")
        return document
    pairs = [entry.partition("=") for entry in entries]
    if wrong := [key for key, separator, _ in pairs if not separator or not key]:
        raise UsageError(f"--metadata '{wrong[0]}' is neither KEY=VALUE nor a JSON object")
    return {key: value for key, _, value in pairs}


def _sendable(body: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (UnicodeEncodeError, ValueError):
        raise UsageError("what to ask, or an option, holds what JSON in UTF-8 cannot") from None
    return body


def _header(key: str) -> str:
    if not (key.isascii() and key.isprintable()):
        raise UsageError("--idempotency-key takes printable ASCII characters")
    return key
