"""Documents as text."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import typer

_JOB_COLUMNS = ("id", "state", "agent", "attempt", "created_at", "input_preview")
_AGENT_COLUMNS = ("name", "provider", "model", "running", "pending", "paused", "tools")
_PROVIDER_COLUMNS = ("name", "kind", "api", "calls_in_flight", "calls_waiting", "breakers")
_PREVIEW_CHARACTERS = 48


def echo_json(document: Any) -> None:
    typer.echo(json.dumps(document, ensure_ascii=False))


def echo_jobs(jobs: Iterable[Mapping[str, Any]]) -> None:
    _echo_table(_JOB_COLUMNS, jobs)


def echo_agents(agents: Iterable[Mapping[str, Any]]) -> None:
    _echo_table(_AGENT_COLUMNS, agents)


def echo_providers(providers: Iterable[Mapping[str, Any]]) -> None:
    _echo_table(
        _PROVIDER_COLUMNS,
        (
            provider
            | provider["limits"]
            | {"breakers": [f"{breaker['model']}:{breaker['state']}" for breaker in provider["breakers"]]}
            for provider in map(dict, providers)
        ),
    )


def echo_job(job: Mapping[str, Any]) -> None:
    for key, value in job.items():
        if value not in (None, {}, []) and key not in ("links", "output"):
            typer.echo(f"{key + ':':24}{_cell(value)}")
    if job.get("output") is not None:
        typer.echo(f"\n{job['output'] if isinstance(job['output'], str) else _cell(job['output'])}")


def describe_event(event: Mapping[str, Any]) -> str:
    """Say in one line what happened."""
    known = ("job_id", "agent", "attempt", "correlation_id")
    details = " ".join(
        f"{key}={_one_line(value)[:80]}"
        for key, value in event["data"].items()
        if key not in known and value is not None
    )
    subject = event.get("subject", "")[-12:]
    return f"{event['time'][11:23]}  {event['id']:>6}  {event['type']:22} {subject:12}  {details}".rstrip()


def _echo_table(columns: Sequence[str], documents: Iterable[Mapping[str, Any]]) -> None:
    rows = [columns, *([_short(document[column]) for column in columns] for document in documents)]
    widths = [max(len(row[index]) for row in rows) for index in range(len(columns))]
    for row in rows:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _short(value: Any) -> str:
    text = _one_line(value)
    return text if len(text) <= _PREVIEW_CHARACTERS else f"{text[: _PREVIEW_CHARACTERS - 1]}…"


def _one_line(value: Any) -> str:
    return " ".join(_cell(value).split())


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return " ".join(value)
    return json.dumps(value, ensure_ascii=False)
