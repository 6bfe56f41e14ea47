"""Entries of the audit as the API shows them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from airboss.domain.audit import AuditAction, AuditEntry, AuditOutcome, TargetKind
from airboss.domain.principals import Role
from airboss.domain.times import rfc3339

ENTRY_EXAMPLE: dict[str, Any] = {
    "id": "17",
    "time": "2026-11-21T18:48:00.000Z",
    "actor": {"subject": "ada", "tenant": "default", "role": "admin"},
    "action": "job.cancel",
    "target": {"kind": "job", "id": "019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a"},
    "tenant": "red",
    "crosses_tenants": True,
    "outcome": "done",
    "correlation_id": "b1946ac92492d234",
    "details": {"agent": "offline", "state": "running"},
}


class ActorDocument(BaseModel):
    """Who did it; `system` without a role is this server."""

    subject: str
    tenant: str | None
    role: Role | None


class TargetDocument(BaseModel):
    kind: TargetKind
    id: str


class AuditEntryDocument(BaseModel):
    """Who did what to what. `tenant` is the target's, null for what all tenants share."""

    model_config = ConfigDict(json_schema_extra={"examples": [ENTRY_EXAMPLE]})

    id: str
    time: datetime
    actor: ActorDocument
    action: AuditAction
    target: TargetDocument
    tenant: str | None
    crosses_tenants: bool
    outcome: AuditOutcome
    correlation_id: str
    details: dict[str, Any]


class AuditPage(BaseModel):
    """A page of the audit, newest first."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"data": [ENTRY_EXAMPLE], "next_cursor": None, "has_more": False}]}
    )

    data: list[AuditEntryDocument]
    next_cursor: str | None
    has_more: bool


def audit_document(entry: AuditEntry) -> dict[str, Any]:
    draft = entry.draft
    actor = draft.actor
    return {
        "id": str(entry.id),
        "time": rfc3339(draft.time_ms),
        "actor": {
            "subject": actor.subject,
            "tenant": actor.tenant,
            "role": actor.role and actor.role.value,
        },
        "action": draft.action.value,
        "target": {"kind": draft.target_kind.value, "id": draft.target_id},
        "tenant": draft.tenant,
        "crosses_tenants": draft.crosses_tenants,
        "outcome": draft.outcome.value,
        "correlation_id": draft.correlation_id,
        "details": dict(draft.details),
    }
