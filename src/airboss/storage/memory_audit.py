"""The audit in memory."""

from collections import deque
from collections.abc import Sequence

from airboss.domain.audit import AuditDraft, AuditEntry
from airboss.ports.audit import AuditQuery


class MemoryAudit:
    """Entries oldest first, as they were added."""

    def __init__(self) -> None:
        self._entries: deque[AuditEntry] = deque()
        self._last_id = 0

    def add(self, draft: AuditDraft) -> None:
        self._last_id += 1
        self._entries.append(AuditEntry(self._last_id, draft))

    def read(self, query: AuditQuery) -> Sequence[AuditEntry]:
        matching = (entry for entry in reversed(self._entries) if _admits(query, entry))
        return [entry for entry, _ in zip(matching, range(query.limit), strict=False)]

    def prune(self, before_ms: int, limit: int) -> int:
        count = 0
        while count < limit and self._entries and self._entries[0].draft.time_ms < before_ms:
            self._entries.popleft()
            count += 1
        return count


def _admits(query: AuditQuery, entry: AuditEntry) -> bool:
    draft = entry.draft
    wanted = (
        (query.actor, draft.actor.subject),
        (query.target_kind, draft.target_kind),
        (query.target_id, draft.target_id),
        (query.tenant, draft.tenant),
    )
    return (
        all(value is None or value == there for value, there in wanted)
        and (not query.actions or draft.action in query.actions)
        and (query.after_ms is None or draft.time_ms > query.after_ms)
        and (query.before_ms is None or draft.time_ms < query.before_ms)
        and (query.before_id is None or entry.id < query.before_id)
    )
