"""One attempt at one job: claimed, run under its limits, ended once."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, NamedTuple

from airboss.domain.agents import AgentSpec, OnInterrupt
from airboss.domain.errors import JobError, JobFailure
from airboss.domain.jobs import Job, JobSummary, Outcome
from airboss.domain.states import JobState
from airboss.manager.claim_journal import ClaimJournal
from airboss.manager.late_writes import LateWrites
from airboss.manager.registry import AgentRegistry
from airboss.manager.store_waiting import until_stored
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.loop import LoopLoader, Run, RunReport
from airboss.ports.store import Store

#: How long a run that was told to stop may take to clean up before it is given up on; a drain has no more
#: time than the second beyond its grace.
_STOP_SECONDS = 5.0
_DRAIN_STOP_SECONDS = 0.5


class StopReason(StrEnum):
    CANCEL = "cancel"
    TIMEOUT = "timeout"
    DRAIN = "drain"


@dataclass(slots=True)
class ActiveRun:
    """What runs now; the first reason to stop it is the one that counts, and none after its end.

    `over` resolves when the run has ended or was told to stop.
    """

    over: asyncio.Future[None]
    stop_reason: StopReason | None = None
    task: asyncio.Task[Any] | None = None
    report: RunReport = field(default_factory=RunReport)

    def stop(self, reason: StopReason) -> None:
        if self.stop_reason is None and not (self.task is not None and self.task.done()):
            self.stop_reason = reason
            self._is_over()
            if self.task is not None:
                self.task.cancel()

    def begin(self, task: asyncio.Task[Any]) -> None:
        self.task = task
        task.add_done_callback(self._is_over)

    def _is_over(self, _task: asyncio.Task[Any] | None = None) -> None:
        if not self.over.done():
            self.over.set_result(None)


class LeftRun(NamedTuple):
    """A job as its run left it, and beside it what only the whole job has."""

    job: JobSummary
    input: Any
    output: Any

    def whole(self) -> Job:
        # As it would be read: what was written down is JSON, and its keys are text.
        output = json.loads(json.dumps(self.output))
        return Job(
            **{each.name: getattr(self.job, each.name) for each in fields(JobSummary)},
            input=self.input,
            output=output,
        )


class Runner:
    """Runs jobs and keeps what is running, so that it can be stopped."""

    def __init__(
        self, *, store: Store, loops: LoopLoader, registry: AgentRegistry, clock: Clock, log: Log
    ) -> None:
        self._store = store
        self._loops = loops
        self._registry = registry
        self._clock = clock
        self._log = log
        self._active: dict[str, ActiveRun] = {}
        self.late_writes = LateWrites()
        self._is_loaded = False

    @property
    def active_count(self) -> int:
        return len(self._active)

    def is_active(self, job_id: str) -> bool:
        return job_id in self._active

    def stop(self, job_id: str, reason: StopReason) -> None:
        """Tell a run to stop; harmless where the job does not run here."""
        if (active := self._active.get(job_id)) is not None:
            active.stop(reason)

    def stop_all(self, reason: StopReason) -> None:
        for active in self._active.values():
            active.stop(reason)

    async def run(self, job_id: str) -> LeftRun | None:
        """Claim a job, run it and end it; returns it as it was left, None where another had it."""
        if job_id in self._active:
            return None  # rung for twice: whoever has it keeps it
        # Registered before the claim: a cancel that comes right behind the claim finds the run.
        active = self._active[job_id] = ActiveRun(asyncio.get_running_loop().create_future())
        try:
            # Before the claim: what the first job waits for is not running time of its own.
            await self._load_loop(active)
            if active.stop_reason is StopReason.DRAIN:
                return None  # not claimed, so there is nothing to hand back
            job = await self._store.start(job_id, self._clock.now_ms())
            if job is None:
                return None
            began = self._clock.monotonic()
            outcome = await self._attempt(active, job)
            left = await self._end(active, job, outcome, self._clock.monotonic() - began)
            if left is None:
                return None
            output = None if outcome is None or left.state is not JobState.COMPLETED else outcome.output
            return LeftRun(left, job.input, output)
        finally:
            del self._active[job_id]

    async def _attempt(self, active: ActiveRun, job: Job) -> Outcome | None:
        """Run the agent; None where the run was interrupted and the job goes back."""
        agent = self._registry.find(job.agent)
        if agent is None:
            return Outcome(JobState.FAILED, error=agent_removed(job.agent))
        if active.stop_reason is None:
            task = asyncio.create_task(self._call_loop(active, job, agent), name=f"job {job.id}")
            active.begin(task)
            await self._wait(active, task, max(0.0, job.timeout_seconds - job.spent_seconds))
        return self._judge(active, job)

    async def _load_loop(self, active: ActiveRun) -> None:
        """Wait for the loop, but not in a drain: a load takes longer than a drain has beyond its grace."""
        if self._is_loaded:
            return
        loading = asyncio.ensure_future(self._loops.load())
        try:
            first: set[asyncio.Future[Any]] = {loading, active.over}
            await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
            if loading.done():
                loading.result()
                self._is_loaded = True
        except ImportError as error:
            # The job is claimed all the same, and ended with what is wrong.
            self._log.error("loop.not_loaded", error=error)
        finally:
            loading.cancel()

    async def _call_loop(self, active: ActiveRun, job: Job, agent: AgentSpec) -> Any:
        loop = await self._loops.load()
        journal = await ClaimJournal.open(self._store, job, self._clock, self.late_writes)
        return await loop.run(Run(job, agent, journal, active.report))

    async def _wait(self, active: ActiveRun, task: asyncio.Task[Any], seconds: float) -> None:
        """Wait for the run; a worker that is cancelled itself hands its job back first."""
        alarm = asyncio.get_running_loop().call_later(seconds, active.stop, StopReason.TIMEOUT)
        try:
            await active.over
        except asyncio.CancelledError:
            active.stop(StopReason.DRAIN)
        finally:
            alarm.cancel()
        if not task.done():
            drains = active.stop_reason is StopReason.DRAIN
            # Cancelled again, the worker waits no longer, but still writes down how the job ended.
            with suppress(asyncio.CancelledError):
                await asyncio.wait([task], timeout=_DRAIN_STOP_SECONDS if drains else _STOP_SECONDS)
        if not task.done():
            self._log.error("run.did_not_stop", task=task.get_name(), reason=active.stop_reason)

    def _judge(self, active: ActiveRun, job: Job) -> Outcome | None:
        error = _error_of(active.task)
        if active.task is not None and active.task.done() and error is None:
            return Outcome(JobState.COMPLETED, output=active.task.result())
        # What a run that was told to stop raises is how it stopped, not why.
        match active.stop_reason:
            case StopReason.TIMEOUT:
                return Outcome(JobState.TIMED_OUT, error=job_timeout(job))
            case StopReason.CANCEL:
                return Outcome(JobState.CANCELLED, reason="cancel_requested")
            case StopReason.DRAIN:
                return None
            case None if isinstance(error, JobFailure):
                return Outcome(JobState.FAILED, error=error.error)
            case None:
                return self._broken(job, error)

    def _broken(self, job: Job, error: BaseException | None) -> Outcome:
        self._log.error("run.broke", job_id=job.id, correlation_id=job.correlation_id, error=error)
        return Outcome(
            JobState.FAILED, error=JobError("internal", "the server failed; its log has the details")
        )

    async def _end(
        self, active: ActiveRun, job: Job, outcome: Outcome | None, ran_seconds: float
    ) -> JobSummary | None:
        """Write the end down; a store that is away is waited for, since nobody else may end this job."""

        async def write() -> JobSummary | None:
            try:
                return await self._write_end(active, job, outcome, ran_seconds)
            except (TypeError, ValueError, OverflowError) as error:
                # An answer that cannot be kept, like half a character: the job must end all the same.
                active.report = RunReport()
                return await self._write_end(active, job, self._broken(job, error), ran_seconds)

        ended = await until_stored(write, self._clock)
        if ended is None:
            self.late_writes.count()
        return ended

    async def _hand_back(self, job: Job, ran_seconds: float, now_ms: int) -> JobSummary | None:
        """Give a drained job back as its agent wants it: to be resumed, from scratch, or not at all."""
        agent = self._registry.find(job.agent)
        on_interrupt = OnInterrupt.RESUME if agent is None else agent.on_interrupt
        if on_interrupt is OnInterrupt.FAIL:
            outcome = Outcome(JobState.FAILED, error=_interrupted(job), ran_seconds=ran_seconds)
            return await self._store.finish(job.id, job.claim, outcome, now_ms)
        if on_interrupt is OnInterrupt.RESTART:
            await self._store.forget(job.id, 0, claim=job.claim)
        return await self._store.interrupt(job.id, job.claim, "draining", ran_seconds, now_ms)

    async def _write_end(
        self, active: ActiveRun, job: Job, outcome: Outcome | None, ran_seconds: float
    ) -> JobSummary | None:
        now_ms = self._clock.now_ms()
        if outcome is None:
            return await self._hand_back(job, ran_seconds, now_ms)
        whole = Outcome(
            outcome.state,
            output=outcome.output,
            error=outcome.error,
            reason=outcome.reason,
            usage=active.report.usage,
            answered_by=active.report.answered_by,
            ran_seconds=ran_seconds,
        )
        agent = self._registry.find(job.agent)
        if agent is not None and _may_start_again(job, agent, whole):
            run_at_ms = now_ms + round(agent.retry_delay_seconds * 1000)
            return await self._store.reschedule(job.id, job.claim, whole, run_at_ms, now_ms)
        return await self._store.finish(job.id, job.claim, whole, now_ms)


def _interrupted(job: Job) -> JobError:
    return JobError(
        "worker_lost",
        "the node was drained while the job ran, and its agent is set to fail then (on_interrupt)",
        {"attempts": job.attempt, "max_attempts": job.max_attempts},
    )


def _may_start_again(job: Job, agent: AgentSpec, outcome: Outcome) -> bool:
    """Tell whether the agent names this failure as one to try again, and an attempt is left."""
    error = outcome.error
    return (
        outcome.state is JobState.FAILED
        and error is not None
        and error.code in agent.retry_on
        and job.attempt < job.max_attempts
    )


def _error_of(task: asyncio.Task[Any] | None) -> BaseException | None:
    """Return what a run raised, its own cancellation included."""
    if task is None or not task.done():
        return None
    return asyncio.CancelledError() if task.cancelled() else task.exception()


def agent_removed(agent: str) -> JobError:
    return JobError("agent_removed", f"agent '{agent}' is not in the settings any more", {"agent": agent})


def job_timeout(job: Job) -> JobError:
    return JobError(
        "job_timeout",
        f"the job ran for its {job.timeout_seconds:g} s without an answer",
        {"timeout_seconds": job.timeout_seconds},
    )
