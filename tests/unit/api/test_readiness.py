"""When a node says that it should be sent no work."""

import asyncio

import pytest
from tests.support.clock import FakeClock
from tests.support.loops import ScriptedLoop
from tests.support.nodes import Node, running_node
from tests.support.stores import MAX_EVENT_BYTES

from airboss.api.readiness import Readiness
from airboss.storage.memory import MemoryStore
from airboss.telemetry.loop_lag import LoopLag


class Lag(LoopLag):
    """An event loop that is as late as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told_seconds = 0.0

    @property
    def seconds(self) -> float:
        return self.told_seconds


class HangingStore(MemoryStore):
    """A medium that takes a write and never says so."""

    async def probe(self) -> None:
        await asyncio.Event().wait()


def readiness(node: Node, lag: LoopLag) -> Readiness:
    return Readiness(
        store=node.store,
        manager=node.manager,
        lag=lag,
        clock=FakeClock(),
        is_recovered=lambda: True,
        probes=[],
    )


@pytest.mark.parametrize(("seconds", "ok"), [(0.0, True), (0.999, True), (1.001, False), (30.0, False)])
async def test_an_event_loop_that_is_a_second_late_is_not_ready(seconds: float, *, ok: bool) -> None:
    store = MemoryStore(node_id="n1", max_event_bytes=MAX_EVENT_BYTES)
    lag = Lag()
    async with running_node(store, ScriptedLoop()) as node:
        lag.told_seconds = seconds
        checks = await readiness(node, lag).checks()
    assert checks["loop_lag"].ok is ok
    assert {name for name, check in checks.items() if not check.ok} <= {"loop_lag"}


async def test_a_write_that_takes_too_long_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airboss.api.readiness._PROBE_TIMEOUT_SECONDS", 0.01)
    store = HangingStore(node_id="n1", max_event_bytes=MAX_EVENT_BYTES)
    async with running_node(store, ScriptedLoop()) as node:
        checks = await readiness(node, Lag()).checks()
    assert not checks["storage"].ok
    assert "took more than" in checks["storage"].detail
