"""Events as lines."""

import json
from collections.abc import Mapping
from typing import Any

from rich.text import Text

from airboss.cli.sse import Frame
from airboss.cli.terminal import as_text, clean, one_line

_KNOWN = ("job_id", "agent", "attempt", "correlation_id")
_DETAIL_CHARACTERS = 80
_BAD = (
    "job.failed",
    "job.timed_out",
    "tool.failed",
    "tool.denied",
    "provider.breaker_opened",
    "mcp.server_failed",
)
_GOOD = ("job.completed",)


def frame_line(frame: Frame) -> Text:
    """Say in one line what a frame tells."""
    if frame.id is None:
        return Text(one_line(f"{frame.event} {frame.data}"), style="dim")
    return event_line(json.loads(frame.data))


def event_line(event: Mapping[str, Any]) -> Text:
    """Say in one line what happened."""
    details = " ".join(
        f"{key}={one_line(as_text(value))[:_DETAIL_CHARACTERS]}"
        for key, value in event["data"].items()
        if key not in _KNOWN and value is not None
    )
    kind = event["type"]
    style = "red" if kind in _BAD else "green" if kind in _GOOD else "cyan" if kind.startswith("job.") else ""
    line = Text.assemble(
        (f"{event['time'][11:23]}  {event['id']:>6}  ", "dim"),
        (f"{kind:22} ", style),
        (f"{event.get('subject', '')[-12:]:12}  ", "dim"),
        clean(details),
    )
    line.rstrip()
    return line
