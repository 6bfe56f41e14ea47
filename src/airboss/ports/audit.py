"""The audit as the store keeps it: entries are added in the transaction of the change they are about."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from airboss.domain.audit import AuditAction, AuditEntry, TargetKind


@dataclass(frozen=True, slots=True)
class AuditQuery:
    """A page of entries, newest first; `before_id` is where the page before it ended, None admits all."""

    actor: str | None = None
    actions: frozenset[AuditAction] = frozenset()
    target_kind: TargetKind | None = None
    target_id: str | None = None
    tenant: str | None = None
    after_ms: int | None = None
    before_ms: int | None = None
    before_id: int | None = None
    limit: int = 50


class AuditTrail(Protocol):
    """What reads the audit. Entries are written by the methods that change something."""

    async def audit_entries(self, query: AuditQuery) -> Sequence[AuditEntry]: ...
