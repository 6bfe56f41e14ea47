"""The audit: who did what, for admins."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from airboss.api.documents.audit import AuditPage, audit_document
from airboss.api.documents.cursors import decode_cursor, encode_cursor
from airboss.api.documents.errors import error_answers
from airboss.api.documents.jobs import Moment, moment_ms
from airboss.api.json_response import json_response
from airboss.api.routing import Rule, rule, ruled_router
from airboss.api.services import Services
from airboss.domain.audit import AuditAction, TargetKind
from airboss.domain.errors import AirbossError
from airboss.ports.audit import AuditQuery

_MAX_DIGITS = 18


class AuditListQuery(BaseModel):
    """Filters and paging of the audit."""

    model_config = ConfigDict(extra="forbid")

    actor: str | None = Field(None, max_length=255, description="Subject of who did it.")
    action: list[AuditAction] = Field(default_factory=list, description="May be given more than once.")
    target_kind: TargetKind | None = None
    target_id: str | None = Field(None, max_length=255)
    tenant: str | None = Field(None, max_length=255, description="Tenant that the target belongs to.")
    after: Moment | None = None
    before: Moment | None = None
    limit: int = Field(50, ge=1, le=200)
    cursor: str | None = Field(None, max_length=256, description="next_cursor of the page before.")


def audit_router(services: Services) -> APIRouter:
    router = ruled_router(services)

    @router.get(
        "/v1/audit",
        summary="List who did what, newest first",
        response_model=AuditPage,
        responses=error_answers("invalid_parameter"),
        openapi_extra=rule(Rule.ADMIN),
        tags=["audit"],
    )
    async def list_entries(query: Annotated[AuditListQuery, Query()]) -> Response:
        entries = await services.store.audit_entries(_audit_query(query))
        has_more = len(entries) > query.limit
        page = entries[: query.limit]
        return json_response(
            {
                "data": [audit_document(entry) for entry in page],
                "next_cursor": encode_cursor("audit", str(page[-1].id)) if has_more else None,
                "has_more": has_more,
            }
        )

    return router


def _audit_query(query: AuditListQuery) -> AuditQuery:
    return AuditQuery(
        actor=query.actor,
        actions=frozenset(query.action),
        target_kind=query.target_kind,
        target_id=query.target_id,
        tenant=query.tenant,
        after_ms=moment_ms(query.after),
        before_ms=moment_ms(query.before),
        before_id=None if query.cursor is None else _before_id(query.cursor),
        # One more than asked for tells whether there is another page.
        limit=query.limit + 1,
    )


def _before_id(cursor: str) -> int:
    position = decode_cursor("audit", cursor)
    if not (position.isdecimal() and len(position) <= _MAX_DIGITS):
        raise AirbossError("invalid_parameter", "cursor: take it as it stood in next_cursor")
    return int(position)
