"""Jobs that lost every worker but the last they may have: of each agent, one of them runs at a time."""

from collections import defaultdict, deque

from airboss.domain.jobs import JobSummary


class LastChances:
    """Keeps a job that ends its process from taking along, attempt by attempt, those that run beside it.

    Nobody can tell which of the jobs that ran had ended the process. Had they all the same last attempt
    side by side, one would cost them all theirs; one after the other, it costs only its own.
    """

    def __init__(self) -> None:
        self._queued: dict[str, str] = {}
        self._held: defaultdict[str, deque[JobSummary]] = defaultdict(deque)

    def admit(self, job: JobSummary) -> bool:
        """Tell whether a job may be queued now; one that may not comes back from `release`."""
        if not 0 < job.attempt == job.max_attempts - 1:
            return True
        if self._queued.setdefault(job.agent, job.id) == job.id:
            return True
        self._held[job.agent].append(job)
        return False

    def release(self, agent: str, job_id: str) -> JobSummary | None:
        """Forget a job that had its chance, and return the one that has it next."""
        if self._queued.get(agent) != job_id:
            return None
        if not self._held[agent]:
            del self._queued[agent], self._held[agent]
            return None
        following = self._held[agent].popleft()
        self._queued[agent] = following.id
        return following
