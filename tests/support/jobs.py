"""Jobs and agents for tests."""

from dataclasses import fields as fields_of
from typing import Any

from tests.support.clock import START_MS

from airboss.domain.agents import AgentSpec, OnInterrupt
from airboss.domain.event_types import EventType
from airboss.domain.events import EventDraft
from airboss.domain.identifiers import uuid7
from airboss.domain.jobs import Job, JobSummary, preview
from airboss.domain.states import JobState


def job_id(number: int, created_at_ms: int = START_MS) -> str:
    """Return an id that sorts by moment, then by number."""
    return uuid7(created_at_ms, number & 0xFFF, number)


def new_job(number: int = 1, **fields: Any) -> Job:
    """Make a pending job; `number` makes its id."""
    created_at_ms = fields.setdefault("created_at_ms", START_MS)
    fields.setdefault("input", f"input {number}")
    defaults: dict[str, Any] = {
        "id": job_id(number, created_at_ms),
        "tenant": "default",
        "owner": "someone",
        "agent": "alpha",
        "agent_revision": "r1",
        "state": JobState.PENDING,
        "input_preview": preview(fields["input"]),
        "max_attempts": 3,
        "timeout_seconds": 300.0,
        "correlation_id": f"request-{number}",
    }
    return Job(**{**defaults, **fields})


def new_agent(name: str = "alpha", **fields: Any) -> AgentSpec:
    defaults: dict[str, Any] = {
        "name": name,
        "provider": "offline",
        "model": "offline",
        "instructions": "",
        "tools": (),
        "mcp_servers": (),
        "handoffs": (),
        "timeout_seconds": 300.0,
        "max_turns": 20,
        "max_concurrent_jobs": None,
        "max_attempts": 3,
        "retry_on": (),
        "retry_delay_seconds": 30.0,
        "on_interrupt": OnInterrupt.RESUME,
    }
    return AgentSpec(**{**defaults, **fields})


def delta(job: Job, text: str = "text", time_ms: int = START_MS) -> EventDraft:
    """Draft what a worker tells while it runs."""
    data = {"job_id": job.id, "agent": job.agent, "text": text}
    return EventDraft(EventType.OUTPUT_DELTA, time_ms, data, job.tenant, job.id, job.agent)


def notice(kind: EventType = EventType.NODE_JOINED, time_ms: int = START_MS, **data: Any) -> EventDraft:
    """Draft an event that belongs to no job and no tenant."""
    return EventDraft(kind, time_ms, data or {"node": "n1"})


def summary_of(job: JobSummary) -> JobSummary:
    """Return what a store tells of a job without its input and output."""
    return JobSummary(**{field.name: getattr(job, field.name) for field in fields_of(JobSummary)})
