"""A reader that waits is given events in the turn that publishes them; one that is behind is not."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest
from tests.support.clock import DEADLINE_SECONDS
from tests.support.jobs import notice

from airboss.domain.event_types import EventType
from airboss.domain.events import Event
from airboss.events.bus import EventBus
from airboss.events.subscription import Ended, Heartbeat, Item, Subscription
from airboss.ports.store import EventFilter
from airboss.storage.memory import MemoryStore

CAPACITY = 8


@dataclass
class Peer:
    """Takes what is pushed while it can, and what is read beside; keeps both in the order it got them."""

    subscription: Subscription
    can_take: bool = True
    got: list[Item] = field(default_factory=list)
    pushed: int = 0

    def push(self, items: Sequence[Item]) -> bool:
        if self.can_take:
            self.got += items
            self.pushed += len(items)
        return self.can_take

    async def follow(self) -> None:
        while not self.got or not isinstance(self.got[-1], Ended):
            self.got += await self.subscription.read()

    @property
    def ids(self) -> list[int]:
        return [item.id for item in self.got if isinstance(item, Event)]


@pytest.fixture
def bus() -> EventBus:
    return EventBus(subscriber_buffer=CAPACITY)


@pytest.fixture
async def store(bus: EventBus) -> AsyncIterator[MemoryStore]:
    store = MemoryStore(node_id="n1", max_event_bytes=16384)
    await store.open(bus.publish)
    yield store
    await store.close()


def peer_of(bus: EventBus, store: MemoryStore, only: EventFilter, after: int | None = None) -> Peer:
    peer = Peer(bus.subscribe(store, only, after=after))
    peer.subscription.push = peer.push
    return peer


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_who_waits_is_given_events_at_once(bus: EventBus, store: MemoryStore) -> None:
    peer = peer_of(bus, store, EventFilter(types=frozenset({"node.left"})))
    reading = asyncio.ensure_future(peer.follow())
    await turn()
    await store.announce([notice(EventType.NODE_LEFT), notice(), notice(EventType.NODE_LEFT)])
    assert (peer.ids, peer.pushed) == ([1, 3], 2)
    assert peer.subscription.position == 3
    assert peer.subscription.is_caught_up
    await bus.heartbeat()
    assert peer.got[-1] == Heartbeat()
    bus.drain("draining")
    await asyncio.wait_for(reading, DEADLINE_SECONDS)
    assert peer.got[-1:] == [Ended("draining")]


async def test_what_cannot_be_taken_is_read_later(bus: EventBus, store: MemoryStore) -> None:
    peer = peer_of(bus, store, EventFilter())
    peer.can_take = False
    reading = asyncio.ensure_future(peer.follow())
    await turn()
    await store.announce([notice()] * 3)
    assert peer.ids == []
    # The reader was woken and is not waiting any more: nothing may overtake what it is about to read.
    peer.can_take = True
    await store.announce([notice()])
    assert peer.pushed == 0
    await turn()
    assert peer.ids == [1, 2, 3, 4]
    await store.announce([notice()])
    assert (peer.ids, peer.pushed) == ([1, 2, 3, 4, 5], 1)
    bus.drain("draining")
    await asyncio.wait_for(reading, DEADLINE_SECONDS)


@pytest.mark.parametrize("seed", range(20))
async def test_pushed_and_read_events_come_once_and_in_order(
    bus: EventBus, store: MemoryStore, seed: int
) -> None:
    dice = random.Random(seed)
    await store.announce([notice()] * 300)
    peer = peer_of(bus, store, EventFilter(), after=dice.choice([0, 150, 300]))
    first = peer.subscription.position + 1
    reading = asyncio.ensure_future(peer.follow())
    for _ in range(200):
        peer.can_take = dice.random() < 0.7
        await store.announce([notice()] * dice.randrange(1, 2 * CAPACITY))
        for _ in range(dice.randrange(4)):
            await asyncio.sleep(0)
    peer.can_take = False
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not peer.subscription.is_caught_up:  # noqa: ASYNC110 - each turn is the reader's own
            await asyncio.sleep(0)
    bus.drain("draining")
    await asyncio.wait_for(reading, DEADLINE_SECONDS)
    assert peer.ids == list(range(first, bus.last_id + 1))
    assert 0 < peer.pushed < len(peer.ids)
