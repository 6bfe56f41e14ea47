"""Retention beside readers: what is removed before it was read is told, whenever that happens."""

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import pairwise
from pathlib import Path

import pytest
from tests.support.clock import DEADLINE_SECONDS, START_MS
from tests.support.jobs import notice

from airboss.domain.event_types import EventType
from airboss.domain.events import Event
from airboss.events.bus import EventBus
from airboss.events.subscription import Item, Reset, Subscription
from airboss.ports.store import Cutoffs, EventFilter, Store
from airboss.storage.memory import MemoryStore
from airboss.storage.sqlite.store import SqliteStore

EVERYTHING = EventFilter()
EVERY_AGE = Cutoffs(0, START_MS + 1, 0)


@pytest.fixture
def bus() -> EventBus:
    return EventBus(subscriber_buffer=8)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, bus: EventBus, tmp_path: Path) -> AsyncIterator[Store]:
    store: Store = MemoryStore(node_id="n1", max_event_bytes=16384)
    if request.param == "sqlite":
        store = SqliteStore(tmp_path / "airboss.db", new_node_id="n1", max_event_bytes=16384)
    await store.open(bus.publish)
    yield store
    await store.close()


async def read(subscription: Subscription) -> list[Item]:
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await subscription.read()


async def test_what_is_removed_in_the_middle_of_a_replay_is_told(bus: EventBus, store: Store) -> None:
    await store.announce([notice()] * 1000)
    subscription = bus.subscribe(store, EVERYTHING, after=0)
    first = await read(subscription)
    assert isinstance(first[-1], Event)
    await store.prune(EVERY_AGE, START_MS, 700)
    second = await read(subscription)
    assert second[0] == Reset(701)
    assert isinstance(second[1], Event)
    assert second[1].id == 701


@pytest.mark.parametrize("seed", range(6))
async def test_a_reader_beside_writes_and_retention_has_no_gap_it_was_not_told_of(
    bus: EventBus, store: Store, seed: int
) -> None:
    """Each gap in the ids follows a reset that names the first id behind it; nothing comes twice."""
    dice = random.Random(seed)
    await store.announce([notice()] * 500)
    subscription = bus.subscribe(store, EVERYTHING, after=1)
    told: list[Item] = await read(subscription)

    async def write() -> None:
        for _ in range(60):
            await store.announce([notice()] * dice.randrange(1, 40))
            if dice.random() < 0.4:
                await store.prune(EVERY_AGE, START_MS, dice.randrange(1, 60))
        await store.announce([notice(EventType.NODE_LEFT)])

    writing = asyncio.ensure_future(write())
    while not isinstance(told[-1], Event) or told[-1].type != EventType.NODE_LEFT.value:
        told += await read(subscription)
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
    await writing
    ids = [item.id for item in told if isinstance(item, Event)]
    assert all(earlier < later for earlier, later in pairwise(ids))
    assert ids[-1] == bus.last_id
    expected = 2
    for item in told:
        if isinstance(item, Reset):
            # What a page held before retention removed it was read all the same.
            expected = max(expected, item.oldest)
        elif isinstance(item, Event):
            assert item.id <= expected, "a gap that was not told"
            expected = item.id + 1
