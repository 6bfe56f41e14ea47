"""How many jobs are in each state, kept beside the store so that nobody has to count."""

from collections import Counter
from collections.abc import Iterable, Sequence

from airboss.domain.states import JobState
from airboss.ports.store import GroupCount


class KeptCounts:
    """Jobs by (tenant, agent, state)."""

    def __init__(self) -> None:
        self._jobs: Counter[tuple[str, str, JobState]] = Counter()

    def load(self, rows: Iterable[tuple[str, str, JobState, int]]) -> None:
        self._jobs = Counter({(tenant, agent, state): jobs for tenant, agent, state, jobs in rows})

    def apply(self, changes: Counter[tuple[str, str, JobState]]) -> None:
        for key, by in changes.items():
            self._jobs[key] += by

    def groups(self) -> Sequence[GroupCount]:
        return [GroupCount(*key, jobs) for key, jobs in self._jobs.items() if jobs]

    def tenants(self) -> Sequence[str]:
        return sorted({tenant for (tenant, _, _), jobs in self._jobs.items() if jobs})
