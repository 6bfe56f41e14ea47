"""A node in service, out of it, and on its way out."""

import pytest
from tests.support.loops import HeldLoop
from tests.support.nodes import BY_ADMIN, running_node
from tests.support.stores import HeldStore

from airboss.domain.errors import AirbossError
from airboss.domain.states import JobState
from airboss.manager.duty import NodeState


async def test_a_drained_node_ends_what_runs_and_starts_nothing_until_it_is_resumed() -> None:
    loop = HeldLoop()
    async with running_node(HeldStore(), loop, slots=1) as node:
        running, waiting = await node.spawn(), await node.spawn()
        await loop.until_started(running.id)
        duty = node.manager.duty
        await duty.drain(duty.node_id, BY_ADMIN)
        assert duty.state is NodeState.DRAINING
        with pytest.raises(AirbossError) as refused:
            await node.spawn()
        assert refused.value.code == "draining"
        loop.end(running.id, "done")
        assert (await node.ended(running.id)).state is JobState.COMPLETED
        assert (await node.get(waiting.id)).state is JobState.PENDING
        await duty.resume(duty.node_id, BY_ADMIN)
        await loop.until_started(waiting.id)
        told = [kind for kind in node.recorder.types() if kind.startswith("node.")]
        assert told == ["node.joined", "node.draining", "node.joined"]


async def test_draining_twice_is_told_once() -> None:
    async with running_node(HeldStore(), HeldLoop()) as node:
        duty = node.manager.duty
        await duty.drain(duty.node_id, BY_ADMIN)
        await duty.drain(duty.node_id, BY_ADMIN)
        assert node.recorder.types().count("node.draining") == 1


async def test_another_node_is_unknown() -> None:
    async with running_node(HeldStore(), HeldLoop()) as node:
        with pytest.raises(AirbossError) as refused:
            await node.manager.duty.drain("node-of-someone-else", BY_ADMIN)
        assert refused.value.code == "unknown_node"


async def test_a_node_that_leaves_cannot_be_resumed() -> None:
    async with running_node(HeldStore(), HeldLoop()) as node:
        duty = node.manager.duty
        duty.begin_to_leave()
        with pytest.raises(AirbossError) as refused:
            await duty.resume(duty.node_id, BY_ADMIN)
        assert refused.value.code == "draining"
