"""What each move of a job announces; every store drafts its events here."""

from airboss.domain.event_types import EventType
from airboss.domain.events import EventDraft, job_event
from airboss.domain.jobs import JobSummary, Outcome, preview
from airboss.domain.states import JobState, final_event
from airboss.domain.times import rfc3339


def spawned(job: JobSummary) -> EventDraft:
    return job_event(EventType.JOB_SPAWNED, job, job.created_at_ms, priority=job.priority)


def started(job: JobSummary, now_ms: int, resumed_steps: int) -> EventDraft:
    """Draft a start; `resumed_steps` counts the model calls that need not be made again."""
    wait_seconds = max(0, now_ms - job.due_at_ms) / 1000
    return job_event(
        EventType.JOB_STARTED, job, now_ms, queue_wait_seconds=wait_seconds, resumed_steps=resumed_steps
    )


def interrupted(job: JobSummary, now_ms: int, reason: str) -> EventDraft:
    return job_event(EventType.JOB_INTERRUPTED, job, now_ms, reason=reason)


def retry_scheduled(job: JobSummary, now_ms: int, code: str) -> EventDraft:
    return job_event(
        EventType.JOB_RETRY_SCHEDULED, job, now_ms, code=code, run_at=rfc3339(job.run_at_ms or now_ms)
    )


def cancel_requested(job: JobSummary, now_ms: int, by: str) -> EventDraft:
    return job_event(EventType.JOB_CANCEL_REQUESTED, job, now_ms, by=by)


def ended(job: JobSummary, now_ms: int, outcome: Outcome) -> EventDraft:
    """Draft the last event of a job; the duration is its running time over all attempts."""
    kind = final_event(outcome.state)
    duration_seconds = round(job.spent_seconds, 6)
    if outcome.state is JobState.COMPLETED:
        return job_event(
            kind,
            job,
            now_ms,
            duration_seconds=duration_seconds,
            usage=job.usage.to_dict(),
            output_preview=preview(outcome.output),
        )
    if outcome.error is not None:
        return job_event(kind, job, now_ms, error=outcome.error.to_dict(), duration_seconds=duration_seconds)
    return job_event(
        kind, job, now_ms, reason=outcome.reason or outcome.state.value, duration_seconds=duration_seconds
    )


def pruned(
    job_id: str, agent: str, tenant: str, attempt: int, correlation_id: str, now_ms: int
) -> EventDraft:
    return EventDraft(
        EventType.JOB_PRUNED,
        now_ms,
        {"job_id": job_id, "agent": agent, "attempt": attempt, "correlation_id": correlation_id},
        tenant=tenant,
        job_id=job_id,
        agent=agent,
    )
