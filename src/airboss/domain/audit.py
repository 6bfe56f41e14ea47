"""Who did what to which job, agent, server or setting."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from airboss.domain.jobs import JobSummary
from airboss.domain.principals import Principal, Role


class TargetKind(StrEnum):
    """What an entry is about."""

    JOB = "job"
    QUEUE = "queue"
    NODE = "node"
    SERVER = "server"
    SETTINGS = "settings"


class AuditAction(StrEnum):
    """What was done: the kind of the target, and a verb."""

    JOB_SPAWN = "job.spawn"
    JOB_CANCEL = "job.cancel"
    JOB_RETRY = "job.retry"
    QUEUE_PAUSE = "queue.pause"
    QUEUE_RESUME = "queue.resume"
    NODE_DRAIN = "node.drain"
    NODE_RESUME = "node.resume"
    SERVER_CREATE = "server.create"
    SERVER_UPDATE = "server.update"
    SERVER_DELETE = "server.delete"
    SERVER_START = "server.start"
    SERVER_STOP = "server.stop"
    SETTINGS_LOAD = "settings.load"


class AuditOutcome(StrEnum):
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it: a caller, or this server, which has no role."""

    subject: str
    tenant: str | None
    role: Role | None

    @classmethod
    def of(cls, principal: Principal) -> "Actor":
        return cls(principal.subject, principal.tenant, principal.role)


SYSTEM = Actor("system", None, None)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for a change, and the correlation id of the request."""

    principal: Principal
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class AuditDraft:
    """An entry before it is written; `tenant` is the one that the target belongs to, None for what all share.

    `details` are scalars from our own catalogue: never a secret, an input or an output.
    """

    action: AuditAction
    time_ms: int
    actor: Actor
    target_kind: TargetKind
    target_id: str
    tenant: str | None = None
    outcome: AuditOutcome = AuditOutcome.DONE
    correlation_id: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def crosses_tenants(self) -> bool:
        """Tell whether someone acted outside of the tenant of their token, as admins may."""
        return self.tenant is not None and self.actor.tenant is not None and self.tenant != self.actor.tenant


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An entry as it is kept; ids grow in the order of the commits."""

    id: int
    draft: AuditDraft


def of_spawn(job: JobSummary, caller: Caller) -> list[AuditDraft]:
    """Draft the entry of a new job, and one for the job that it makes again, where there is one."""
    entry = job_spawned(job, caller)
    return [entry] if job.retry_of is None else [job_retried(job, caller), entry]


def job_spawned(job: JobSummary, caller: Caller) -> AuditDraft:
    details: dict[str, Any] = {"agent": job.agent}
    if job.retry_of is not None:
        details["retry_of"] = job.retry_of
    return _of_job(AuditAction.JOB_SPAWN, job, caller, job.created_at_ms, details)


def job_retried(job: JobSummary, caller: Caller) -> AuditDraft:
    """Say of the old job that it was made again as `job`: an entry beside the new one's own."""
    details = {"agent": job.agent, "job_id": job.id}
    draft = _of_job(AuditAction.JOB_RETRY, job, caller, job.created_at_ms, details)
    return AuditDraft(
        draft.action,
        draft.time_ms,
        draft.actor,
        draft.target_kind,
        job.retry_of or "",
        draft.tenant,
        correlation_id=draft.correlation_id,
        details=details,
    )


def job_cancelled(job: JobSummary, caller: Caller, now_ms: int) -> AuditDraft:
    details = {"agent": job.agent, "state": job.state.value}
    return _of_job(AuditAction.JOB_CANCEL, job, caller, now_ms, details)


def shared(
    action: AuditAction,
    kind: TargetKind,
    target_id: str,
    caller: Caller,
    now_ms: int,
    details: Mapping[str, Any] | None = None,
) -> AuditDraft:
    """Draft an entry about what belongs to no tenant: a queue, a node, a server."""
    return AuditDraft(
        action,
        now_ms,
        Actor.of(caller.principal),
        kind,
        target_id,
        correlation_id=caller.correlation_id,
        details=details or {},
    )


def _of_job(
    action: AuditAction, job: JobSummary, caller: Caller, time_ms: int, details: Mapping[str, Any]
) -> AuditDraft:
    return AuditDraft(
        action,
        time_ms,
        Actor.of(caller.principal),
        TargetKind.JOB,
        job.id,
        job.tenant,
        correlation_id=caller.correlation_id,
        details=details,
    )
