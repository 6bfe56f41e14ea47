"""After many jobs that ended in every way: no slot, no descriptor, no task and no alarm is left."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.e2e.conftest import settings_of
from tests.support.fake_provider import FakeProvider
from tests.support.jobs import new_agent
from tests.support.loops import ScriptedLoop
from tests.support.nodes import ADMIN, running_node
from tests.support.polling import until
from tests.support.server import ServerProcess, running_server
from tests.support.tasks import tasks_left

from airboss.domain.errors import AirbossError
from airboss.ports.loop import Run
from airboss.storage.sqlite.store import SqliteStore

SLOTS = 8


async def test_a_thousand_jobs_with_cancels_leave_no_task_and_no_slot(tmp_path: Path) -> None:
    dice = random.Random(7)

    async def behave(run: Run) -> Any:
        for _ in range(run.job.input["turns"]):
            await asyncio.sleep(0)
        if run.job.input["hangs"]:
            await asyncio.get_running_loop().create_future()
        if run.job.input["breaks"]:
            raise ValueError("broken")
        return "done"

    loop = ScriptedLoop(behave)
    store = SqliteStore(tmp_path / "airboss.db", new_node_id="n1", max_event_bytes=16384)
    async with running_node(
        store, loop, agents=[new_agent("alpha"), new_agent("beta")], slots=SLOTS, capacity=2000
    ) as node:
        idle = asyncio.all_tasks()

        async def one(number: int) -> str:
            hangs = number % 5 == 0
            behaviour = {"turns": dice.randrange(4), "hangs": hangs, "breaks": number % 7 == 0}
            job = await node.spawn(dice.choice(["alpha", "beta"]), input=behaviour)
            if hangs or dice.random() < 0.2:
                for _ in range(dice.randrange(20)):
                    await asyncio.sleep(0)
                with suppress(AirbossError):  # it ended first
                    await node.manager.cancel(job.id, ADMIN)
            return (await node.ended(job.id)).state.value

        states = await asyncio.gather(*(one(number) for number in range(1000)))
        assert set(states) == {"completed", "failed", "cancelled"}
        assert (loop.running, node.engine.depth(), dict(node.engine.running())) == (0, 0, {})
        assert node.manager.running_count == 0
        assert 1 < loop.most_running <= SLOTS
        assert {count.state.value for count in store.counts()} == set(states)
        # A worker is between two jobs for a turn or two after the last one ended.
        async with asyncio.timeout(10):
            while tasks_left(idle):
                await asyncio.wait(tasks_left(idle))


def test_jobs_that_are_cancelled_or_time_out_leave_no_descriptor_and_no_permit(
    folder: Path, provider: FakeProvider
) -> None:
    settings = settings_of(provider) | {"limits": {"max_concurrent_jobs": SLOTS, "queue_capacity": 1000}}
    with running_server(folder, settings) as server, server.client() as client:

        def spawn(agent: str, **fields: Any) -> dict[str, Any]:
            answer = client.post("/v1/jobs", json={"agent": agent, "input": "x", **fields})
            assert answer.status_code == 202
            job: dict[str, Any] = answer.json()
            return job

        def left() -> int:
            queues = client.get("/v1/coord/queues").json()["data"]
            return sum(int(queue["depth"]) + int(queue["running"]) for queue in queues)

        # Once before counting: the SDK and the pool of connections stay open.
        for _ in range(2 * SLOTS):
            spawn("text")
        until(lambda: not left(), "the first jobs ended")
        before = _descriptors(server)
        for number in range(30):
            spawn("hang-middle", timeout_seconds=0.05)
            spawn("hang-first", timeout_seconds=0.05)
            job = spawn("hang-first")
            spawn("text")
            spawn("text", max_queue_wait_seconds=0.01 if number % 2 else 10)
            client.post(job["links"]["cancel"])
        until(lambda: not left(), "every job ended", 45)
        until(lambda: _descriptors(server) <= before, "descriptors closed")
        metrics = client.get("/metrics").text
        assert 'airboss_provider_calls_in_flight{provider="fake"} 0.0' in metrics
        assert 'airboss_provider_calls_waiting{provider="fake"} 0.0' in metrics
        # Every slot and every permit of the provider can be held again at once.
        calls = provider.calls("gate")
        for _ in range(SLOTS):
            spawn("gate")
        provider.wait_called("gate", calls + SLOTS)
        provider.open_gate()
        until(lambda: not left(), "the last jobs ended")


def _descriptors(server: ServerProcess) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))
