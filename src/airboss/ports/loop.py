"""The agent loop as the manager knows it: one run of one job."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from airboss.domain.agents import AgentSpec
from airboss.domain.events import EventDraft
from airboss.domain.jobs import AnsweredBy, Job, Usage


@dataclass(slots=True)
class RunReport:
    """What a run has spent so far; kept while it runs, so that it is known however the run ends."""

    usage: Usage = field(default_factory=Usage)
    answered_by: AnsweredBy | None = None


class RunJournal(Protocol):
    """Where a run writes what happens in it, under its claim."""

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
