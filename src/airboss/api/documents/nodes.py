"""Nodes as the API shows them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from airboss.domain.times import rfc3339
from airboss.manager.manager import AgentManager
from airboss.version import VERSION

NODE_EXAMPLE: dict[str, Any] = {
    "id": "node-3f2a91",
    "state": "active",
    "version": "0.1.0",
    "since": "2026-11-21T18:48:00.000Z",
    "slots": 16,
    "running": 3,
    "pending": 0,
    "queue_capacity": 1000,
}


class NodeDocument(BaseModel):
    """One node: `active`, `draining` (by an operator) or `leaving` (it shuts down)."""

    model_config = ConfigDict(json_schema_extra={"examples": [NODE_EXAMPLE]})

    id: str
    state: str
    version: str
    since: datetime
    slots: int
    running: int
    pending: int
    queue_capacity: int


class NodeList(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [NODE_EXAMPLE]}]})

    data: list[NodeDocument]


def node_document(manager: AgentManager) -> dict[str, Any]:
    """Show this node: an embedded store has no other."""
    duty = manager.duty
    return {
        "id": duty.node_id,
        "state": duty.state.value,
        "version": VERSION,
        "since": rfc3339(duty.since_ms),
        "slots": manager.slots,
        "running": manager.running_count,
        "pending": manager.queue_depth,
        "queue_capacity": manager.queue_capacity,
    }
