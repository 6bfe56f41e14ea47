"""A job as a page: what it is, what it was asked, how it ended and what to do next."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from rich.text import Text

from airboss.cli import times
from airboss.cli.advice import for_job
from airboss.cli.terminal import as_text, clean, state_style

_LABEL_CHARACTERS = 14

Job = Mapping[str, Any]


def job_page(job: Job, now: datetime | None) -> Iterator[Text]:
    """Yield the lines; with `now` moments are told relative to it as well."""
    for label, value, style in _fields(job, now):
        if value:
            yield Text.assemble((f"{label:{_LABEL_CHARACTERS}}", "dim"), (clean(value), style))
    yield from _section("Input", job["input"])
    if job["error"] is not None:
        yield Text()
        yield from error_lines(job)
    elif job["output"] is not None:
        yield from _section("Output", job["output"])


def error_lines(job: Job) -> Iterator[Text]:
    """Say why a job did not complete, and what to do about it."""
    error = job["error"]
    yield Text.assemble(
        ("Error", "bold"), f"  {clean(error['code'])}: {clean(error['message'])}", style="red"
    )
    if details := _not_said_yet(error):
        yield Text(f"       {as_text(details)}", style="dim")
    advice = for_job(error["code"], job["id"], job["agent"])
    if advice:
        yield Text.assemble(("Next", "bold"), f"   {advice}")


def _not_said_yet(error: Mapping[str, Any]) -> dict[str, Any]:
    said = error["message"]
    return {
        key: value
        for key, value in (error.get("details") or {}).items()
        if not (isinstance(value, str) and value in said)
    }


def usage_text(job: Job) -> str:
    usage = job["usage"]
    if not usage or not usage["requests"]:
        return ""
    calls = "1 model call" if usage["requests"] == 1 else f"{usage['requests']} model calls"
    return f"{calls}, {usage['input_tokens']} tokens in, {usage['output_tokens']} out"


def _fields(job: Job, now: datetime | None) -> Iterator[tuple[str, str, str]]:
    yield "Job", job["id"], "bold"
    yield "State", _state(job), state_style(job["state"])
    yield "Agent", job["agent"], ""
    answered = job["answered_by"]
    yield "Answered by", f"{answered['provider']}, {answered['model']}" if answered else "", ""
    yield "Attempt", f"{job['attempt']} of {job['max_attempts']}", ""
    yield "Priority", str(job["priority"]), ""
    yield "Created", _moment(job["created_at"], now), ""
    yield "Run at", _moment(job["run_at"], now), ""
    yield "Started", _moment(job["started_at"], now), ""
    yield "Finished", _moment(job["finished_at"], now), ""
    # The time between attempts is in it, and that while no server ran.
    yield "Start to end", times.between(job["started_at"], job["finished_at"]), ""
    yield "Time-out", times.duration(job["timeout_seconds"]), ""
    yield "Usage", usage_text(job), ""
    yield "Retry of", job["retry_of"] or "", ""
    yield "Metadata", as_text(job["metadata"]) if job["metadata"] else "", ""
    yield "Owner", f"{job['owner']}, tenant {job['tenant']}", ""
    yield "Request", job["correlation_id"] or "", ""
    yield "Events", job["links"]["events"], ""


def _state(job: Job) -> str:
    if job["queue_position"] is not None:
        return f"{job['state']}, number {job['queue_position']} in the queue"
    is_stopping = job["cancel_requested_at"] is not None and job["finished_at"] is None
    return f"{job['state']}, stopping" if is_stopping else str(job["state"])


def _moment(moment: str | None, now: datetime | None) -> str:
    if moment is None or now is None:
        return moment or ""
    return f"{moment}  ({times.relative(moment, now)})"


def _section(title: str, value: Any) -> Iterator[Text]:
    yield Text()
    yield Text(title, style="bold")
    yield Text(clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)))
