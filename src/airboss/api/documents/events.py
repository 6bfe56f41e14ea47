"""Events as the API shows them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

EVENT_EXAMPLE: dict[str, Any] = {
    "specversion": "1.0",
    "id": "1042",
    "source": "airboss/node-3f2a91",
    "type": "job.started",
    "subject": "019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a",
    "time": "2026-11-21T18:48:00.000Z",
    "datacontenttype": "application/json",
    "tenant": "default",
    "data": {
        "job_id": "019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a",
        "agent": "offline",
        "attempt": 1,
        "correlation_id": "b1946ac92492d234",
        "queue_wait_seconds": 0.004,
        "resumed_steps": 0,
    },
}


class EventDocument(BaseModel):
    """A CloudEvents 1.0 event with the extension `tenant`."""

    model_config = ConfigDict(json_schema_extra={"examples": [EVENT_EXAMPLE]})

    specversion: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: datetime
    datacontenttype: str
    tenant: str | None = None
    data: dict[str, Any]


class EventPageDocument(BaseModel):
    """A page of events, oldest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"data": [EVENT_EXAMPLE], "next_cursor": None, "has_more": False}]}
    )

    data: list[EventDocument]
    next_cursor: str | None
    has_more: bool


class TicketDocument(BaseModel):
    """Good once, for 30 s, for either stream."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ticket": "Jm9kqXw0n3r1Zk5hVb2y8t7u6i4o_p-Qa",
                    "expires_at": "2026-11-21T18:48:30.000Z",
                }
            ]
        }
    )

    ticket: str
    expires_at: datetime
