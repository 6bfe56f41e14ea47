"""Events: what happened, to which job, for which tenant."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from airboss.domain.event_types import EventType
from airboss.domain.jobs import JobSummary
from airboss.domain.text import well_formed

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode
#: Room that the CloudEvents envelope takes beside `data`.
_ENVELOPE_BYTES = 512
_SHORTEST_CUT = 32
_IDENTITY = ("job_id", "agent", "attempt", "correlation_id")


@dataclass(frozen=True, slots=True)
class EventDraft:
    """An event before its commit: it has no id yet. `tenant` None is for everyone."""

    type: EventType
    time_ms: int
    data: Mapping[str, Any]
    tenant: str | None = None
    job_id: str | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """A committed event; `data_json` is its `data`, encoded once for storage and every reader."""

    id: int
    type: str
    time_ms: int
    node: str
    tenant: str | None
    job_id: str | None
    agent: str | None
    data_json: str

    @property
    def data(self) -> Mapping[str, Any]:
        return _decode(self.data_json)


@lru_cache(maxsize=1)
def _decode(data_json: str) -> Mapping[str, Any]:
    # The taps of the bus look at the same event one after the other.
    decoded: dict[str, Any] = json.loads(data_json)
    return decoded


def job_event(kind: EventType, job: JobSummary, time_ms: int, **data: Any) -> EventDraft:
    """Draft an event about a job."""
    return EventDraft(
        kind,
        time_ms,
        {
            "job_id": job.id,
            "agent": job.agent,
            "attempt": job.attempt,
            "correlation_id": job.correlation_id,
            **data,
        },
        tenant=job.tenant,
        job_id=job.id,
        agent=job.agent,
    )


def encode_data(data: Mapping[str, Any], max_bytes: int) -> str:
    """Encode `data` so that its event stays within `max_bytes`; what is cut is told by `truncated`."""
    text = well_formed(_encode(data))
    room = max_bytes - _ENVELOPE_BYTES
    if len(text) * 4 <= room or len(text.encode()) <= room:
        return text
    # Whose event it is stays whole: a cut id would be somebody else's.
    identity = {key: data[key] for key in _IDENTITY if key in data}
    rest = {key: value for key, value in data.items() if key not in identity}
    longest = max(_string_lengths(rest), default=0)
    while longest > _SHORTEST_CUT:
        longest //= 2
        text = well_formed(_encode({**identity, **_cut(rest, longest), "truncated": True}))
        if len(text.encode()) <= room:
            return text
    numbers = {key: value for key, value in rest.items() if isinstance(value, int | float | None)}
    text = well_formed(_encode({**identity, **numbers, "truncated": True}))
    return text if len(text.encode()) <= room else _encode({**identity, "truncated": True})


def _string_lengths(value: Any) -> list[int]:
    if isinstance(value, str):
        return [len(value)]
    if isinstance(value, Mapping):
        return [length for item in value.values() for length in _string_lengths(item)]
    if isinstance(value, list | tuple):
        return [length for item in value for length in _string_lengths(item)]
    return []


def _cut(value: Any, characters: int) -> Any:
    if isinstance(value, str):
        return value[:characters]
    if isinstance(value, Mapping):
        return {key: _cut(item, characters) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(item, characters) for item in value]
    return value
