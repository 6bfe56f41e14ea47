"""A tap that writes a log line for what operators look for later."""

from airboss.domain.event_types import EventType
from airboss.domain.events import Event
from airboss.ports.log import Log

#: Streams of text and single calls would drown the log; the event stream has them.
_QUIET = frozenset({EventType.OUTPUT_DELTA, EventType.JOB_PROGRESSED})
_DEBUG = frozenset(
    {EventType.MODEL_CALLED, EventType.MODEL_ANSWERED, EventType.TOOL_CALLED, EventType.TOOL_ANSWERED}
)
_WARNING = frozenset({EventType.JOB_FAILED, EventType.JOB_TIMED_OUT, EventType.TOOL_DENIED})
#: What a model or a tool wrote stays out of the log.
_LEFT_OUT = frozenset({"output_preview", "preview", "text"})


class EventLog:
    """Logs events under their own names."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def on_event(self, event: Event) -> None:
        if event.type in _QUIET:
            return
        write = self._log.info
        if event.type in _DEBUG:
            write = self._log.debug
        elif event.type in _WARNING:
            write = self._log.warning
        fields = {key: value for key, value in event.data.items() if key not in _LEFT_OUT}
        write(event.type, event_id=event.id, **_renamed(fields))


def _renamed(fields: dict[str, object]) -> dict[str, object]:
    """Keep `error` for exceptions: a job's error is told as `job_error`."""
    if "error" in fields:
        fields["job_error"] = fields.pop("error")
    return fields
