"""AgentManager: the one place where jobs are spawned, cancelled, drained and asked about."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from airboss.domain import audit
from airboss.domain.agents import AgentSpec
from airboss.domain.audit import AuditAction, Caller, TargetKind
from airboss.domain.errors import AirbossError, JobError, StorageUnavailableError
from airboss.domain.event_types import EventType
from airboss.domain.events import EventDraft
from airboss.domain.identifiers import JobIds, is_job_id
from airboss.domain.jobs import Job, JobSummary, Outcome, preview
from airboss.domain.policies import QueuePolicy
from airboss.domain.principals import Principal
from airboss.domain.states import JobState
from airboss.events.bus import EventBus
from airboss.manager.admission import Admission
from airboss.manager.duty import NodeDuty, NodeState
from airboss.manager.endings import Endings
from airboss.manager.last_chances import LastChances
from airboss.manager.registry import AgentRegistry
from airboss.manager.requests import (
    AgentView,
    JobView,
    QueueView,
    SpawnRequest,
    SpawnResult,
    SummaryView,
)
from airboss.manager.runner import Runner, StopReason, agent_removed
from airboss.manager.timetable import Action, Alarm, Timetable
from airboss.manager.workers import WorkerPool
from airboss.ports.clock import Clock
from airboss.ports.engine import Engine, QueueEntry
from airboss.ports.log import Log
from airboss.ports.loop import LoopLoader
from airboss.ports.store import (
    CancelVerdict,
    Idempotency,
    IdempotencyMismatchError,
    JobQuery,
    Spawned,
    Store,
)
from airboss.resilience.departures import DepartureRate
from airboss.security.random_bits import RandomBits

T = TypeVar("T")
_STORAGE_PAUSE_SECONDS = 1.0


class AgentManager:
    """One per process, injected into every router."""

    def __init__(
        self,
        *,
        store: Store,
        engine: Engine,
        bus: EventBus,
        loops: LoopLoader,
        agents: Sequence[AgentSpec],
        policy: QueuePolicy,
        clock: Clock,
        log: Log,
    ) -> None:
        self.registry = AgentRegistry(agents)
        self._store = store
        self._engine = engine
        self._clock = clock
        self._log = log
        self._departures = DepartureRate(clock)
        self._admission = Admission(engine, self._departures, policy.queue_capacity)
        self._timetable = Timetable(clock, log)
        self._last_chances = LastChances()
        self._runner = Runner(store=store, loops=loops, registry=self.registry, clock=clock, log=log)
        self._endings = Endings(self._runner.is_active)
        self._workers = WorkerPool(
            engine, self._run_entry, size=policy.max_concurrent_jobs, clock=clock, log=log
        )
        self._ids = JobIds(clock.now_ms, RandomBits())
        self._alarms: dict[str, Alarm] = {}
        self._key_locks: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self.duty = NodeDuty(self._workers, store, clock)
        self._changes: set[asyncio.Task[Any]] = set()
        engine.set_limits((agent.name, agent.max_concurrent_jobs) for agent in self.registry)
        bus.tap(self._endings.on_event)

    # -- life ---------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take back what an earlier process left, then begin to work."""
        for agent in await self._store.paused_agents():
            self._engine.pause(agent)
        policy = {agent.name: agent.on_interrupt for agent in self.registry}
        recovered = await self._store.recover(self._clock.now_ms(), policy)
        for job in recovered.pending:
            await self._requeue(job)
        if recovered.interrupted or recovered.ended or recovered.pending:
            self._log.info(
                "recovery.done",
                pending=len(recovered.pending),
                interrupted=recovered.interrupted,
                ended=recovered.ended,
            )
        await self._timetable.start()
        await self.duty.join()

    async def drain(self, grace_seconds: float) -> None:
        """Leave: let running jobs end for so long, then hand the rest back to the queue on disk.

        Whoever waits for a job learns its end, or after the drain how it stands.
        """
        self.duty.begin_to_leave()
        await self._workers.wait_idle(grace_seconds)
        await self.stop()

    def hand_back(self) -> None:
        """Stop what runs: each job goes back to the queue."""
        self._runner.stop_all(StopReason.DRAIN)

    async def stop(self) -> None:
        """End at once: what runs is handed back."""
        self._workers.rest()
        self.hand_back()
        await self._workers.stop()
        self._endings.close()
        await self._timetable.stop()

    # -- jobs ---------------------------------------------------------------------------------------

    async def spawn(
        self,
        request: SpawnRequest,
        principal: Principal,
        correlation_id: str,
        idempotency: Idempotency | None = None,
    ) -> SpawnResult:
        """Take a job in: when this returns it is on disk, with its event.

        Raises `unknown_agent`, `queue_full`, `draining` or `idempotency_mismatch`.
        """
        caller = Caller(principal, correlation_id)
        if idempotency is None:
            return await self._spawn_new(request, caller, None)
        key = (principal.tenant, idempotency.key)
        lock = self._key_locks.setdefault(key, asyncio.Lock())
        async with lock:
            try:
                first = await self._store.replay(principal.tenant, idempotency)
                if first is not None:
                    return SpawnResult(self._view(first), replayed=True)
                return await self._spawn_new(request, caller, idempotency)
            except IdempotencyMismatchError:
                raise AirbossError(
                    "idempotency_mismatch",
                    "this Idempotency-Key was used with another body; use a new key for a new job",
                ) from None

    async def _spawn_new(
        self, request: SpawnRequest, caller: Caller, idempotency: Idempotency | None
    ) -> SpawnResult:
        # Not before a replay was looked for: a job outlives its agent's settings.
        agent = self.registry.get(request.agent)
        if self.duty.is_draining:
            raise self.duty.refusal()
        job = self._new_job(request, agent, caller)
        return await asyncio.shield(self._take_in(job, idempotency, caller))

    def _take_in(
        self, job: Job, idempotency: Idempotency | None, caller: Caller
    ) -> asyncio.Future[SpawnResult]:
        """Write a job down and queue it, both, even where the caller who asked for it goes away.

        Nothing here waits, so that it needs no task: what follows the commit hangs on the store's future.
        """
        is_due = job.run_at_ms is None or job.run_at_ms <= self._clock.now_ms()
        if is_due:
            self._admission.take_place()
        taken_in: asyncio.Future[SpawnResult] = asyncio.get_running_loop().create_future()

        def queue(stored: asyncio.Future[Spawned]) -> None:
            if is_due:
                self._admission.give_back()
            try:
                spawned = stored.result()
                if not spawned.replayed:
                    (self._enqueue if is_due else self._schedule)(spawned.job)
                taken_in.set_result(SpawnResult(self._view(spawned.job), spawned.replayed))
            except asyncio.CancelledError:
                taken_in.cancel()
            except Exception as error:  # noqa: BLE001 - whoever spawned is told
                taken_in.set_exception(error)

        asyncio.ensure_future(self._store.spawn(job, idempotency, caller)).add_done_callback(queue)
        return taken_in

    def _new_job(self, request: SpawnRequest, agent: AgentSpec, caller: Caller) -> Job:
        job_id, created_at_ms = self._ids.make()
        timeout_seconds = request.timeout_seconds
        return Job(
            id=job_id,
            tenant=caller.principal.tenant if request.tenant is None else request.tenant,
            owner=caller.principal.subject,
            agent=agent.name,
            agent_revision=agent.revision,
            state=JobState.PENDING,
            input=request.input,
            input_preview=preview(request.input),
            max_attempts=agent.max_attempts,
            priority=request.priority,
            created_at_ms=created_at_ms,
            run_at_ms=request.run_at_ms,
            max_queue_wait_seconds=request.max_queue_wait_seconds,
            timeout_seconds=agent.timeout_seconds if timeout_seconds is None else timeout_seconds,
            correlation_id=caller.correlation_id,
            metadata=request.metadata,
            retry_of=request.retry_of,
        )

    async def get(self, job_id: str, principal: Principal) -> JobView:
        """Return a job; raises `job_not_found`, for another tenant's job too."""
        job = await self._store.get(job_id, principal.scope) if is_job_id(job_id) else None
        if job is None:
            raise AirbossError("job_not_found", f"there is no job '{job_id[:64]}'")
        return self._view(job)

    async def list_jobs(self, query: JobQuery) -> Sequence[SummaryView]:
        jobs = await self._store.list_jobs(query)
        return [SummaryView(job, self._position(job)) for job in jobs]

    async def wait(
        self, job_id: str, principal: Principal, timeout_seconds: float, *, spawned: JobView | None = None
    ) -> JobView:
        """Return the job when it ends, or as it stands when the time or the drain is over.

        `spawned` is the job as it was just taken in: while it is here it need not be read.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_seconds
        while True:
            with self._endings.of(job_id) as ending:
                if spawned is not None and self._is_here(spawned.job):
                    view = spawned
                else:
                    view = await self.get(job_id, principal)
                left_seconds = deadline - loop.time()
                if view.job.state.is_final or self._endings.is_closed or left_seconds <= 0:
                    return view
                await asyncio.wait([ending], timeout=left_seconds)
                ended = ending.result() if ending.done() else None
            if ended is not None and ended.state.is_final:
                return self._view(ended)
            # Woken by something else, or by nothing: it is looked at again.
            spawned = None

    def _is_here(self, job: Job) -> bool:
        """Tell whether a pending or running job is this node's, which then tells of its end."""
        return self._runner.is_active(job.id) or self._engine.position(entry_of(job)) is not None

    async def cancel(
        self, job_id: str, principal: Principal, correlation_id: str = ""
    ) -> tuple[JobView, bool]:
        """Cancel a job; returns it and whether it is cancelled already. Raises `already_final`."""
        return await self._to_its_end(self._cancel(job_id, Caller(principal, correlation_id)))

    async def _cancel(self, job_id: str, caller: Caller) -> tuple[JobView, bool]:
        principal = caller.principal
        result = None
        if is_job_id(job_id):
            result = await self._store.request_cancel(
                job_id, principal.scope, principal.subject, self._clock.now_ms(), caller
            )
        if result is None:
            raise AirbossError("job_not_found", f"there is no job '{job_id[:64]}'")
        if result.verdict is CancelVerdict.ALREADY_FINAL:
            raise AirbossError(
                "already_final",
                f"the job is {result.job.state.value} already",
                details={"state": result.job.state.value},
            )
        self._leave_queue(result.job)
        self._runner.stop(job_id, StopReason.CANCEL)
        return self._view(result.job), result.verdict is CancelVerdict.CANCELLED

    async def retry(self, job_id: str, principal: Principal, correlation_id: str) -> SpawnResult:
        """Spawn the same job again; raises `not_final` before it has ended."""
        job = (await self.get(job_id, principal)).job
        if not job.state.is_final:
            raise AirbossError(
                "not_final",
                f"the job is {job.state.value}; cancel it or wait for its end",
                details={"state": job.state.value},
            )
        request = SpawnRequest(
            agent=job.agent,
            input=job.input,
            timeout_seconds=job.timeout_seconds,
            priority=job.priority,
            max_queue_wait_seconds=job.max_queue_wait_seconds,
            metadata=job.metadata,
            retry_of=job.id,
            tenant=job.tenant,
        )
        return await self.spawn(request, principal, correlation_id)

    # -- queues -------------------------------------------------------------------------------------

    async def pause(self, agent: str, caller: Caller) -> QueueView:
        return await self._to_its_end(self._set_paused(agent, caller, paused=True))

    async def resume(self, agent: str, caller: Caller) -> QueueView:
        return await self._to_its_end(self._set_paused(agent, caller, paused=False))

    async def _set_paused(self, agent: str, caller: Caller, *, paused: bool) -> QueueView:
        self.registry.get(agent)
        now_ms = self._clock.now_ms()
        kind = EventType.QUEUE_PAUSED if paused else EventType.QUEUE_RESUMED
        event = EventDraft(kind, now_ms, {"agent": agent}, agent=agent)
        action = AuditAction.QUEUE_PAUSE if paused else AuditAction.QUEUE_RESUME
        entry = audit.shared(action, TargetKind.QUEUE, agent, caller, now_ms)
        await self._store.pause_agent(agent, paused=paused, event=event, audit=entry)
        if paused:
            self._engine.pause(agent)
        else:
            self._engine.resume(agent)
        return self._queue(agent)

    def queues(self) -> Sequence[QueueView]:
        return [self._queue(agent.name) for agent in self.registry]

    def _queue(self, agent: str) -> QueueView:
        return QueueView(
            agent,
            depth=self._engine.depths().get(agent, 0),
            running=self._engine.running().get(agent, 0),
            paused=agent in self._engine.paused(),
        )

    def agent_views(self, scope: str | None) -> Sequence[AgentView]:
        """Return every agent with the jobs that one tenant (None: all) has running and pending there."""
        jobs: dict[tuple[str, JobState], int] = {}
        for group in self._store.counts():
            if scope is None or group.tenant == scope:
                key = (group.agent, group.state)
                jobs[key] = jobs.get(key, 0) + group.jobs
        return [
            AgentView(
                agent,
                running=jobs.get((agent.name, JobState.RUNNING), 0),
                pending=jobs.get((agent.name, JobState.PENDING), 0),
                paused=agent.name in self._engine.paused(),
            )
            for agent in self.registry
        ]

    @property
    def queue_depth(self) -> int:
        return self._engine.depth()

    @property
    def queue_capacity(self) -> int:
        return self._admission.capacity

    @property
    def running_count(self) -> int:
        return self._runner.active_count

    @property
    def late_writes_total(self) -> int:
        """How many writes were refused because their run had lost its job."""
        return self._runner.late_writes.total

    @property
    def slots(self) -> int:
        return self._workers.size

    # -- the way through the queue ------------------------------------------------------------------

    async def _requeue(self, job: JobSummary) -> None:
        """Queue a job that was pending when the process started."""
        if job.agent not in self.registry:
            outcome = Outcome(JobState.FAILED, error=agent_removed(job.agent))
            await self._store.end_pending(job.id, outcome, self._clock.now_ms())
        elif job.due_at_ms > self._clock.now_ms():
            self._schedule(job)
        elif self._last_chances.admit(job):
            self._enqueue(job)

    def _enqueue(self, job: JobSummary) -> None:
        self._engine.offer(entry_of(job))
        # Only the wait for the first start is limited: a job that was interrupted has had its turn.
        if job.max_queue_wait_seconds is not None and job.claim == 0:
            waited_seconds = max(0, self._clock.now_ms() - job.due_at_ms) / 1000
            left_seconds = max(0.0, job.max_queue_wait_seconds - waited_seconds)
            self._set_alarm(job, lambda action: self._timetable.after(left_seconds, action), self._give_up)

    def _schedule(self, job: JobSummary) -> None:
        async def become_due(due: JobSummary) -> None:
            self._enqueue(due)

        self._set_alarm(job, lambda action: self._timetable.at(job.due_at_ms, action), become_due)

    def _set_alarm(
        self,
        job: JobSummary,
        arm: Callable[[Action], Alarm],
        act: Callable[[JobSummary], Awaitable[None]],
    ) -> None:
        async def fire() -> None:
            self._alarms.pop(job.id, None)
            await act(job)

        self._alarms[job.id] = arm(fire)

    async def _give_up(self, job: JobSummary) -> None:
        """End a job that waited for its first start as long as it may."""
        waited = f"{job.max_queue_wait_seconds:g}"
        error = JobError(
            "queue_timeout",
            f"the job waited {waited} s for a worker and was not started",
            {"max_queue_wait_seconds": job.max_queue_wait_seconds},
        )
        outcome = Outcome(JobState.TIMED_OUT, error=error)
        try:
            ended = await self._store.end_pending(job.id, outcome, self._clock.now_ms())
        except StorageUnavailableError:
            again = functools.partial(self._timetable.after, _STORAGE_PAUSE_SECONDS)
            self._set_alarm(job, again, self._give_up)
            return
        if ended is not None:
            self._leave_queue(job)

    async def _run_entry(self, entry: QueueEntry) -> None:
        self._departures.record()
        try:
            left = await self._runner.run(entry.job_id)
        except StorageUnavailableError:
            raise  # it is rung for again, and keeps its chance
        except Exception:
            # Whatever broke this worker, the next in line must not wait for ever.
            self._give_next_chance(entry.agent, entry.job_id)
            self._endings.tell(entry.job_id)
            raise
        self._endings.tell(entry.job_id, None if left is None else left.whole)
        # Not before the claim: while the store is away the job still waits, and may wait too long.
        self._disarm(entry.job_id)
        self._give_next_chance(entry.agent, entry.job_id)
        if left is None or left.job.state is not JobState.PENDING or self.duty.state is NodeState.LEAVING:
            return
        await self._requeue(left.job)

    async def _to_its_end(self, change: Coroutine[Any, Any, T]) -> T:
        """Make a change on disk and in memory, both, even where the caller who asked for it goes away."""
        task = asyncio.create_task(change)
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        return await asyncio.shield(task)

    def _leave_queue(self, job: JobSummary) -> None:
        self._disarm(job.id)
        if self._engine.withdraw(entry_of(job)):
            self._departures.record()
            self._give_next_chance(job.agent, job.id)

    def _give_next_chance(self, agent: str, job_id: str) -> None:
        if (following := self._last_chances.release(agent, job_id)) is not None:
            self._enqueue(following)

    def _disarm(self, job_id: str) -> None:
        if (alarm := self._alarms.pop(job_id, None)) is not None:
            alarm.cancel()

    def _view(self, job: Job) -> JobView:
        return JobView(job, self._position(job))

    def _position(self, job: JobSummary) -> int | None:
        return self._engine.position(entry_of(job)) if job.state is JobState.PENDING else None


def entry_of(job: JobSummary) -> QueueEntry:
    return QueueEntry(job.due_at_ms, job.id, job.agent, job.priority)
