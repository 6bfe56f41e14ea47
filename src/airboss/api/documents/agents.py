"""Agents and queues as the API shows them."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from airboss.manager.requests import AgentView, QueueView

AGENT_EXAMPLE: dict[str, Any] = {
    "name": "offline",
    "provider": "offline",
    "model": "planner",
    "revision": "6c1b0a2f9d3e",
    "instructions": "List and read the files, and quote what answers the question.",
    "tools": ["files.list", "files.read"],
    "mcp_servers": [],
    "handoffs": [],
    "timeout_seconds": 300.0,
    "max_turns": 20,
    "max_concurrent_jobs": None,
    "max_attempts": 3,
    "retry_on": [],
    "retry_delay_seconds": 30.0,
    "on_interrupt": "resume",
    "running": 0,
    "pending": 0,
    "paused": False,
}
QUEUE_EXAMPLE: dict[str, Any] = {"agent": "offline", "depth": 0, "running": 0, "paused": False}


class AgentDocument(BaseModel):
    """An agent that can be spawned, and what it does now."""

    model_config = ConfigDict(json_schema_extra={"examples": [AGENT_EXAMPLE]})

    name: str
    provider: str
    model: str
    revision: str
    instructions: str
    tools: list[str]
    mcp_servers: list[str]
    handoffs: list[str]
    timeout_seconds: float
    max_turns: int
    max_concurrent_jobs: int | None
    max_attempts: int
    retry_on: list[str]
    retry_delay_seconds: float
    on_interrupt: str
    running: int
    pending: int
    paused: bool


class AgentList(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [AGENT_EXAMPLE]}]})

    data: list[AgentDocument]


class QueueDocument(BaseModel):
    """One agent's queue on this node."""

    model_config = ConfigDict(json_schema_extra={"examples": [QUEUE_EXAMPLE]})

    agent: str
    depth: int
    running: int
    paused: bool


class QueueList(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [QUEUE_EXAMPLE]}]})

    data: list[QueueDocument]


def agent_document(view: AgentView) -> dict[str, Any]:
    spec = view.spec
    return {
        "name": spec.name,
        "provider": spec.provider,
        "model": spec.model,
        "revision": spec.revision,
        "instructions": spec.instructions,
        "tools": spec.tools,
        "mcp_servers": spec.mcp_servers,
        "handoffs": spec.handoffs,
        "timeout_seconds": spec.timeout_seconds,
        "max_turns": spec.max_turns,
        "max_concurrent_jobs": spec.max_concurrent_jobs,
        "max_attempts": spec.max_attempts,
        "retry_on": spec.retry_on,
        "retry_delay_seconds": spec.retry_delay_seconds,
        "on_interrupt": spec.on_interrupt.value,
        "running": view.running,
        "pending": view.pending,
        "paused": view.paused,
    }


def queue_document(view: QueueView) -> dict[str, Any]:
    return {"agent": view.agent, "depth": view.depth, "running": view.running, "paused": view.paused}
