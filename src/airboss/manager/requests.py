"""What callers ask of the manager, and what they get."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airboss.domain.agents import AgentSpec
from airboss.domain.jobs import DEFAULT_PRIORITY, Job, JobSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class SpawnRequest:
    """A job to be; None takes the agent's own value, and the caller's tenant."""

    agent: str
    input: Any
    timeout_seconds: float | None = None
    priority: int = DEFAULT_PRIORITY
    max_queue_wait_seconds: float | None = None
    run_at_ms: int | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    retry_of: str | None = None
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class JobView:
    """A job and its place in the queue, where it has one."""

    job: Job
    queue_position: int | None = None


@dataclass(frozen=True, slots=True)
class SummaryView:
    job: JobSummary
    queue_position: int | None = None


@dataclass(frozen=True, slots=True)
class SpawnResult:
    view: JobView
    replayed: bool


@dataclass(frozen=True, slots=True)
class AgentView:
    """An agent with what it does now, for one tenant or all."""

    spec: AgentSpec
    running: int
    pending: int
    paused: bool


@dataclass(frozen=True, slots=True)
class QueueView:
    agent: str
    depth: int
    running: int
    paused: bool
