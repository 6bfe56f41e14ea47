"""Whether this node takes work: in service, drained by an operator, or leaving."""

from contextlib import suppress
from enum import StrEnum

from airboss.domain.audit import AuditAction, AuditDraft, Caller, TargetKind, shared
from airboss.domain.errors import AirbossError, StorageUnavailableError
from airboss.domain.event_types import EventType
from airboss.domain.events import EventDraft
from airboss.manager.workers import WorkerPool
from airboss.ports.clock import Clock
from airboss.ports.store import Store

_RETRY_AFTER_SECONDS = 5


class NodeState(StrEnum):
    ACTIVE = "active"
    DRAINING = "draining"
    LEAVING = "leaving"


class NodeDuty:
    """One per node. What runs when it is drained goes on; nothing new is taken in until it is resumed."""

    def __init__(self, workers: WorkerPool, store: Store, clock: Clock) -> None:
        self._workers = workers
        self._store = store
        self._clock = clock
        self.node_id = ""
        self.since_ms = clock.now_ms()
        self.state = NodeState.ACTIVE

    @property
    def is_draining(self) -> bool:
        return self.state is not NodeState.ACTIVE

    async def join(self) -> None:
        self.node_id = await self._store.node_id()
        await self._workers.start()
        await self._announce(EventType.NODE_JOINED)

    async def drain(self, node_id: str, caller: Caller) -> None:
        """Take the node out of service; raises `unknown_node`."""
        self._require(node_id)
        if self.state is NodeState.ACTIVE:
            self.state = NodeState.DRAINING
            self._workers.rest()
            await self._announce(EventType.NODE_DRAINING, self._entry(AuditAction.NODE_DRAIN, caller))

    async def resume(self, node_id: str, caller: Caller) -> None:
        """Put the node back into service; raises `unknown_node`, or `draining` where it leaves for good."""
        self._require(node_id)
        if self.state is NodeState.LEAVING:
            raise self.refusal()
        if self.state is NodeState.DRAINING:
            self.state = NodeState.ACTIVE
            await self._workers.start()
            await self._announce(EventType.NODE_JOINED, self._entry(AuditAction.NODE_RESUME, caller))

    def begin_to_leave(self) -> None:
        """Take no new work, for good: readiness says so at once."""
        self.state = NodeState.LEAVING
        self._workers.rest()

    async def tell_leaving(self) -> None:
        await self._announce(EventType.NODE_DRAINING)

    async def leave(self) -> None:
        await self._announce(EventType.NODE_LEFT)

    def refusal(self) -> AirbossError:
        return AirbossError(
            "draining", "this node takes no new work; try another", retry_after_seconds=_RETRY_AFTER_SECONDS
        )

    def _require(self, node_id: str) -> None:
        if node_id != self.node_id:
            raise AirbossError(
                "unknown_node", f"there is no node '{node_id[:64]}'; there is '{self.node_id}'"
            )

    def _entry(self, action: AuditAction, caller: Caller) -> AuditDraft:
        return shared(action, TargetKind.NODE, self.node_id, caller, self._clock.now_ms())

    async def _announce(self, kind: EventType, *audit: AuditDraft) -> None:
        draft = EventDraft(kind, self._clock.now_ms(), {"node": self.node_id})
        # Nothing depends on this event: a store that is away must not keep a node from leaving.
        with suppress(StorageUnavailableError):
            await self._store.announce([draft], audit)
