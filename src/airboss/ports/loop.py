"""The agent loop as the manager knows it: one run of one job."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from airboss.domain.agents import AgentSpec
from airboss.domain.events import EventDraft
from airboss.domain.jobs import AnsweredBy, Job, Usage
from airboss.domain.journal import JournalEntry, JournalKey


@dataclass(slots=True)
class RunReport:
    """What a run has spent beside its journal, and who answered; known however the run ends."""

    usage: Usage = field(default_factory=Usage)
    answered_by: AnsweredBy | None = None


class ClaimLostError(Exception):
    """The run's claim is not the newest any more: whatever it does counts no longer."""


class RunJournal(Protocol):
    """Where a run writes what happens in it, under its claim, and finds what earlier runs were answered."""

    def recall(self, key: JournalKey) -> JournalEntry | None:
        """Return what an earlier run of this job kept under the key."""
        ...

    async def record(self, entry: JournalEntry, drafts: Sequence[EventDraft], usage: Usage) -> None:
        """Keep an entry with its events and cost: on disk when this returns; raises `ClaimLostError`."""
        ...

    async def forget(self, from_turn: int) -> None:
        """Drop what was kept of a turn and all behind it."""
        ...

    def emit(self, drafts: Sequence[EventDraft]) -> None:
        """Queue events for commit, in order, without waiting."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at one job."""

    job: Job
    agent: AgentSpec
    journal: RunJournal
    report: RunReport


class AgentLoop(Protocol):
    async def run(self, run: Run) -> Any:
        """Run the agent to its answer; raises `JobFailure` where it ends without one."""
        ...


class LoopLoader(Protocol):
    """Gives the loop, loading what stands behind it when it is first asked."""

    async def load(self) -> AgentLoop: ...
