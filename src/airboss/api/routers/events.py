"""Event streams: of everything, and of one job."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from airboss.api.documents.cursors import decode_cursor, encode_cursor
from airboss.api.documents.errors import error_answers
from airboss.api.documents.events import EventPageDocument, TicketDocument
from airboss.api.event_stream import EndsAfter, EventStreamResponse
from airboss.api.json_response import json_response
from airboss.api.routing import Rule, rule, ruled_router
from airboss.api.services import Services, principal_of
from airboss.api.subscribers import SubscriberSlots
from airboss.domain.errors import AirbossError
from airboss.domain.event_types import EventType
from airboss.domain.events import Event
from airboss.domain.nearest_name import suggestion
from airboss.domain.principals import Principal
from airboss.domain.times import rfc3339
from airboss.events.frames import cloud_event_json
from airboss.events.subscription import Item
from airboss.manager.endings import FINAL_EVENTS
from airboss.ports.store import EventFilter

_MAX_EVENT_ID = (1 << 63) - 1
_EVENT_ID = re.compile(r"[0-9]{1,19}\Z")
_STREAM_EXAMPLE = (
    "retry: 3000\n\nid: 1042\nevent: job.started\n"
    'data: {"specversion":"1.0","id":"1042","type":"job.started",…}\n\n'
)
_STREAM_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events; each `data` is a CloudEvents 1.0 JSON event.",
        "content": {"text/event-stream": {"schema": {"type": "string"}, "example": _STREAM_EXAMPLE}},
    }
}


class StreamQuery(BaseModel):
    """What to see of the whole stream, and from where."""

    model_config = ConfigDict(extra="forbid")

    types: list[str] = Field(
        default_factory=list,
        description="Event types; separated by commas, or given more than once.",
    )
    agent: str | None = Field(None, max_length=64)
    job_id: str | None = Field(None, max_length=64)
    after: int | None = Field(None, ge=0, le=_MAX_EVENT_ID, description="Replay what came after this id.")
    ticket: str | None = Field(None, max_length=128, description="In place of a header; good once.")


class JobEventsQuery(BaseModel):
    """Paging of a job's events; `after` and `ticket` are for its stream."""

    model_config = ConfigDict(extra="forbid")

    after: int | None = Field(None, ge=0, le=_MAX_EVENT_ID)
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=256)
    ticket: str | None = Field(None, max_length=128)


def events_router(services: Services) -> APIRouter:
    router = ruled_router(services)
    slots = SubscriberSlots(services.edge.max_subscribers_per_caller)

    def stream(
        principal: Principal,
        only: EventFilter,
        after: int | None,
        *,
        is_over: bool = False,
        ends_after: EndsAfter | None = None,
    ) -> EventStreamResponse:
        give_back = slots.take(f"{principal.tenant}/{principal.subject}")
        subscription = services.bus.subscribe(services.store, only, after=after)
        if is_over:
            subscription.end_when_caught_up("final")
        return EventStreamResponse(
            services.bus,
            subscription,
            seconds_left=principal.seconds_left(services.clock.now_ms()),
            on_close=give_back,
            ends_after=ends_after,
        )

    async def stream_job(request: Request, job_id: str, query: JobEventsQuery) -> Response:
        principal = principal_of(request)
        view = await services.manager.get(job_id, principal)
        after = _position(request, query.after)
        return stream(
            principal,
            EventFilter(tenant=principal.scope, job_id=job_id),
            0 if after is None else after,
            is_over=view.job.state.is_final,
            ends_after=_ends_with_job,
        )

    async def page_job(request: Request, job_id: str, query: JobEventsQuery) -> Response:
        principal = principal_of(request)
        await services.manager.get(job_id, principal)
        after = query.after or 0
        if query.cursor is not None:
            after = _event_id(
                decode_cursor("event", query.cursor), "cursor: take it as it stood in next_cursor"
            )
        only = EventFilter(tenant=principal.scope, job_id=job_id)
        page = await services.store.events(after, None, query.limit, only)
        documents = ",".join(cloud_event_json(event) for event in page.events)
        cursor = f'"{encode_cursor("event", str(page.read_through))}"' if page.has_more else "null"
        more = "true" if page.has_more else "false"
        body = f'{{"data":[{documents}],"next_cursor":{cursor},"has_more":{more}}}'
        return Response(body, media_type="application/json")

    @router.get(
        "/v1/events",
        summary="Follow all events",
        response_class=Response,
        responses=_STREAM_ANSWER
        | error_answers("unauthenticated", "invalid_parameter", "rate_limited", "too_many_subscribers"),
        openapi_extra=rule(Rule.READ, ticket=True),
        tags=["events"],
    )
    async def follow(request: Request, query: Annotated[StreamQuery, Query()]) -> Response:
        principal = principal_of(request)
        only = EventFilter(principal.scope, _types(query.types), query.agent, query.job_id)
        return stream(principal, only, _position(request, query.after))

    @router.get(
        "/v1/jobs/{job_id}/events",
        summary="Page through a job's events, or follow them",
        response_model=EventPageDocument,
        responses={
            200: {
                "content": _STREAM_ANSWER[200]["content"],
                "description": "A page, or with Accept: text/event-stream the stream.",
            },
            **error_answers(
                "unauthenticated",
                "job_not_found",
                "invalid_parameter",
                "rate_limited",
                "too_many_subscribers",
            ),
        },
        openapi_extra=rule(Rule.READ, ticket=True),
        tags=["events"],
    )
    async def job_events(
        request: Request, job_id: str, query: Annotated[JobEventsQuery, Query()]
    ) -> Response:
        if "text/event-stream" in request.headers.get("accept", ""):
            return await stream_job(request, job_id, query)
        return await page_job(request, job_id, query)

    @router.post(
        "/v1/events/tickets",
        summary="Take a ticket for a stream",
        response_model=TicketDocument,
        status_code=201,
        openapi_extra=rule(Rule.READ),
        tags=["events"],
    )
    async def take_ticket(request: Request) -> Response:
        ticket, expires_at_ms = services.tickets.issue(principal_of(request))
        document = {"ticket": ticket, "expires_at": rfc3339(expires_at_ms)}
        return json_response(document, status=201, headers={"Cache-Control": "no-store"})

    return router


def _types(given: list[str]) -> frozenset[str]:
    """Return the types asked for; raises `invalid_parameter` for one that does not exist."""
    types = frozenset(name.strip() for text in given for name in text.split(",") if name.strip())
    unknown = sorted(types - {kind.value for kind in EventType})
    if unknown:
        hint = suggestion(unknown[0], [kind.value for kind in EventType])
        text = f"types: there is no event type '{unknown[0][:64]}'; {hint}"
        raise AirbossError("invalid_parameter", text)
    return types


def _position(request: Request, after: int | None) -> int | None:
    """Prefer `Last-Event-ID`: a browser that reconnects by itself sends it beside the old address."""
    last = request.headers.get("last-event-id")
    if not last:
        return after
    return _event_id(last, "Last-Event-ID: the id of an event, a whole number")


def _event_id(text: str, advice: str) -> int:
    """Read an event's id; raises `invalid_parameter` with the advice where it can be none."""
    if not _EVENT_ID.match(text) or int(text) > _MAX_EVENT_ID:
        raise AirbossError("invalid_parameter", advice)
    return int(text)


def _ends_with_job(item: Item) -> str | None:
    return "final" if isinstance(item, Event) and item.type in FINAL_EVENTS else None
