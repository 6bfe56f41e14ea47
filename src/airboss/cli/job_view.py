"""What is known of a job while it is watched: its events, put together."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airboss.domain.states import EDGES, JobState

_STATE_AFTER = {edge.event.value: edge.target for edge in EDGES}


@dataclass(slots=True)
class Step:
    """A call of the model or of a tool; `outcome` is None while it is out."""

    what: str
    outcome: str | None = None
    duration_seconds: float | None = None
    detail: str = ""


@dataclass(slots=True)
class JobView:
    """Grows with each event; `output` is the text as it was written so far, over all steps."""

    job_id: str
    agent: str = ""
    state: JobState = JobState.PENDING
    attempt: int = 0
    queue_position: int | None = None
    not_before: str | None = None
    started_at: str | None = None
    note: str = ""
    trouble: str = ""
    output: str = ""
    steps: dict[str, Step] = field(default_factory=dict)

    def apply(self, event: Mapping[str, Any]) -> None:
        kind, data = event["type"], event["data"]
        self.agent = data.get("agent", self.agent)
        self.attempt = data.get("attempt", self.attempt)
        if kind in _STATE_AFTER:
            self._move(kind, event)
        elif kind == "job.cancel_requested":
            self.note = "cancel requested"
        elif kind == "job.progressed":
            self.note = _progress(data)
        elif kind == "output.delta":
            self.output = self.output[: data["offset"]].ljust(data["offset"]) + data["text"]
        elif kind.startswith(("model.", "tool.")):
            self._step(kind, data)

    def _move(self, kind: str, event: Mapping[str, Any]) -> None:
        data = event["data"]
        self.state = _STATE_AFTER[kind]
        self.note = str(data.get("reason") or data.get("code") or "") if kind != "job.started" else ""
        if self.state is JobState.RUNNING:
            self.queue_position = None
            self.started_at = event["time"]

    def _step(self, kind: str, data: Mapping[str, Any]) -> None:
        family, _, what = kind.partition(".")
        number = data.get("step", 0)
        if family == "model":
            key, name = f"model {number}", f"{data.get('provider')}, {data.get('model')}"
        else:
            key, name = f"tool {data.get('call_id')}", str(data.get("tool"))
        if what == "called":
            self.steps[key] = Step(name)
            return
        # An answer that was taken from the journal has no call before it.
        step = self.steps.setdefault(key, Step(name))
        step.what = name
        step.outcome = what
        step.duration_seconds = data.get("duration_seconds")
        step.detail = (
            "replayed" if data.get("replayed") else str(data.get("code") or data.get("preview") or "")
        )


def _progress(data: Mapping[str, Any]) -> str:
    fraction = data.get("fraction")
    message = str(data.get("message") or "")
    return message if fraction is None else f"{fraction:.0%} {message}".rstrip()
