"""A whole node without HTTP: store, engine, bus and manager around a scripted loop."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.clock import DEADLINE_SECONDS, FakeClock
from tests.support.events import EventRecorder
from tests.support.jobs import new_agent
from tests.support.tasks import tasks_left

from airboss.domain.agents import AgentSpec
from airboss.domain.audit import Caller
from airboss.domain.jobs import Job
from airboss.domain.policies import QueuePolicy
from airboss.domain.principals import Principal, Role
from airboss.engines.embedded import EmbeddedEngine
from airboss.events.bus import EventBus
from airboss.manager.manager import AgentManager
from airboss.manager.requests import SpawnRequest
from airboss.ports.loop import LoopLoader
from airboss.ports.store import Idempotency, Store

CALLER = Principal("someone", "default", Role.RUN)
ADMIN = Principal("root", "default", Role.ADMIN)
BY_ADMIN = Caller(ADMIN, "req-2")


class RecordingLog:
    """Keeps the names of what was logged."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, dict[str, Any]]] = []

    def debug(self, event: str, **fields: Any) -> None:
        self.entries.append(("debug", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        self.entries.append(("info", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.entries.append(("warning", event, fields))

    def error(self, event: str, **fields: Any) -> None:
        self.entries.append(("error", event, fields))

    @property
    def errors(self) -> list[str]:
        return [event for level, event, _ in self.entries if level == "error"]


@dataclass
class Node:
    store: Store
    engine: EmbeddedEngine
    bus: EventBus
    manager: AgentManager
    clock: FakeClock
    log: RecordingLog
    recorder: EventRecorder

    async def spawn(self, agent: str = "alpha", *, key: str | None = None, **fields: Any) -> Job:
        """Spawn as the usual caller and return the job."""
        fields.setdefault("input", "hello")
        idempotency = None if key is None else Idempotency(key, body_hash="h1")
        result = await self.manager.spawn(SpawnRequest(agent=agent, **fields), CALLER, "req-1", idempotency)
        return result.view.job

    async def get(self, job_id: str) -> Job:
        return (await self.manager.get(job_id, ADMIN)).job

    async def ended(self, job_id: str) -> Job:
        """Wait for a job's end, with a deadline."""
        view = await self.manager.wait(job_id, ADMIN, DEADLINE_SECONDS)
        assert view.job.state.is_final, view.job
        return view.job


@asynccontextmanager
async def running_node(
    store: Store,
    loop: LoopLoader,
    *,
    agents: Sequence[AgentSpec] | None = None,
    slots: int = 4,
    capacity: int = 1000,
    clock: FakeClock | None = None,
) -> AsyncIterator[Node]:
    """Start a node and stop it; whatever it started has ended when this is left."""
    tasks_before = asyncio.all_tasks()
    clock = clock or FakeClock()
    log = RecordingLog()
    recorder = EventRecorder()
    bus = EventBus(subscriber_buffer=64)
    bus.tap(recorder.tap)
    await store.open(bus.publish)
    engine = EmbeddedEngine()
    manager = AgentManager(
        store=store,
        engine=engine,
        bus=bus,
        loops=loop,
        agents=[new_agent()] if agents is None else agents,
        policy=QueuePolicy(slots, capacity),
        clock=clock,
        log=log,
    )
    bus.start_after((await store.event_bounds()).last)
    await manager.start()
    try:
        yield Node(store, engine, bus, manager, clock, log, recorder)
    finally:
        await manager.stop()
        await store.close()
    assert tasks_left(tasks_before) == set()
