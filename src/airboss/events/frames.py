"""Events as they go over the wire: CloudEvents 1.0 in server-sent events."""

import json
from functools import lru_cache

from airboss.domain.events import Event
from airboss.domain.times import rfc3339

RETRY = b"retry: 3000\n\n"
HEARTBEAT = b": heartbeat\n\n"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def cloud_event_json(event: Event) -> str:
    """Write an event as a CloudEvents 1.0 JSON object with the extension `tenant`."""
    subject = "" if event.job_id is None else f'"subject":"{event.job_id}",'
    # CloudEvents has no null attributes: what is absent is left out.
    tenant = "" if event.tenant is None else f'"tenant":{_encode(event.tenant)},'
    return (
        f'{{"specversion":"1.0","id":"{event.id}","source":"airboss/{event.node}","type":"{event.type}",'
        f'{subject}"time":"{rfc3339(event.time_ms)}","datacontenttype":"application/json",'
        f'{tenant}"data":{event.data_json}}}'
    )


@lru_cache(maxsize=1024)
def frame(event: Event) -> bytes:
    """Serialise an event once for all subscribers.

    Keyed by the event itself, so that readers who are caught up from storage share as well.
    """
    return f"id: {event.id}\nevent: {event.type}\ndata: {cloud_event_json(event)}\n\n".encode()


def notice(kind: str, **data: int | str) -> bytes:
    """Write a frame without an id, which does not move a reader's position."""
    return f"event: {kind}\ndata: {_encode(data)}\n\n".encode()
