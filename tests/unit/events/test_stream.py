"""Bus and subscriptions: every event once and in order, however slow the reader; taps miss nothing."""

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from tests.support.clock import DEADLINE_SECONDS, START_MS
from tests.support.jobs import notice

from airboss.domain.event_types import EventType
from airboss.domain.events import Event
from airboss.events.bus import EventBus
from airboss.events.subscription import Ended, Heartbeat, Item, Lagged, Reset, Subscription
from airboss.ports.store import Cutoffs, EventFilter, EventPage
from airboss.storage.memory import MemoryStore

EVERYTHING = EventFilter()
CAPACITY = 8


class YieldingStore(MemoryStore):
    """Reads take a turn of the loop, so that commits come in between; `before_read` may hold them."""

    def __init__(self) -> None:
        super().__init__(node_id="n1", max_event_bytes=16384)
        self.may_read = asyncio.Event()
        self.may_read.set()
        self.reading = asyncio.Event()

    async def events(self, after: int, through: int | None, limit: int, only: EventFilter) -> EventPage:
        self.reading.set()
        await self.may_read.wait()
        page = await super().events(after, through, limit, only)
        await asyncio.sleep(0)
        return page


@pytest.fixture
def bus() -> EventBus:
    return EventBus(subscriber_buffer=CAPACITY)


@pytest.fixture
async def store(bus: EventBus) -> AsyncIterator[YieldingStore]:
    store = YieldingStore()
    await store.open(bus.publish)
    yield store
    await store.close()


async def commit(store: MemoryStore, events: int = 1, kind: EventType = EventType.NODE_JOINED) -> None:
    await store.announce([notice(kind, node=str(n)) for n in range(events)])


async def read(subscription: Subscription) -> list[Item]:
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await subscription.read()


async def read_until(subscription: Subscription, last_id: int) -> list[Item]:
    items: list[Item] = []
    while subscription.position < last_id:
        items += await read(subscription)
    return items


def ids(items: list[Item]) -> list[int]:
    return [item.id for item in items if isinstance(item, Event)]


async def is_waiting(subscription: Subscription) -> bool:
    """Tell whether a reader has nothing to read."""
    reader = asyncio.ensure_future(subscription.read())
    for _ in range(5):
        await asyncio.sleep(0)
    waits = not reader.done()
    reader.cancel()
    await asyncio.wait([reader])
    return waits


async def test_live_events_come_in_order_and_from_now_on(bus: EventBus, store: YieldingStore) -> None:
    await commit(store, 3)
    subscription = bus.subscribe(store, EVERYTHING, after=None)
    assert await is_waiting(subscription)
    await commit(store, 2)
    await commit(store, 1)
    assert ids(await read(subscription)) == [4, 5, 6]
    assert subscription.position == 6
    assert subscription.is_caught_up
    assert await is_waiting(subscription)


async def test_a_waiting_reader_is_woken(bus: EventBus, store: YieldingStore) -> None:
    subscription = bus.subscribe(store, EVERYTHING, after=None)
    reader = asyncio.ensure_future(read(subscription))
    await asyncio.sleep(0)
    await commit(store)
    assert ids(await reader) == [1]


@pytest.mark.parametrize("seed", range(20))
async def test_replay_goes_over_into_live_without_gap_or_double(
    bus: EventBus, store: YieldingStore, seed: int
) -> None:
    dice = random.Random(seed)
    await commit(store, 450)
    after = dice.choice([0, 1, 200, 449, 450])
    only = dice.choice([EVERYTHING, EventFilter(types=frozenset({"node.left"}))])
    subscription = bus.subscribe(store, only, after=after)
    told: list[Item] = []

    async def write() -> None:
        for _ in range(60):
            kind = dice.choice([EventType.NODE_JOINED, EventType.NODE_LEFT])
            await commit(store, dice.randrange(1, 2 * CAPACITY if seed % 2 else 3), kind)
            for _ in range(dice.randrange(4)):
                await asyncio.sleep(0)
        await commit(store, 1, EventType.NODE_LEFT)

    async def follow() -> None:
        while not writer.done() or not subscription.is_caught_up:
            told.extend(await read(subscription))
            for _ in range(dice.randrange(3)):
                await asyncio.sleep(0)

    writer = asyncio.ensure_future(write())
    await follow()
    await writer
    page = await store.events(after, None, 100_000, only)
    assert ids(told) == [event.id for event in page.events]


async def test_a_slow_reader_is_told_what_it_missed_and_then_given_it(
    bus: EventBus, store: YieldingStore
) -> None:
    subscription = bus.subscribe(store, EVERYTHING, after=None)
    await commit(store, 2)
    assert ids(await read(subscription)) == [1, 2]
    await commit(store, CAPACITY + 1)
    await commit(store, 3)
    assert bus.lagged_total == 1
    assert not subscription.is_caught_up
    assert await read(subscription) == [Lagged(3, 2 + CAPACITY + 1)]
    items = await read_until(subscription, 2 + CAPACITY + 1 + 3)
    assert ids(items) == list(range(3, 2 + CAPACITY + 1 + 3 + 1))
    assert subscription.is_caught_up


async def test_a_reader_that_stands_still_costs_no_memory(bus: EventBus, store: YieldingStore) -> None:
    subscription = bus.subscribe(store, EVERYTHING, after=None)
    for _ in range(50):
        await commit(store, CAPACITY)
    assert bus.lagged_total == 1
    items = await read_until(subscription, 50 * CAPACITY)
    assert len([item for item in items if isinstance(item, Lagged)]) == 1
    assert ids(items) == list(range(1, 50 * CAPACITY + 1))


async def test_falling_behind_again_is_told_again(bus: EventBus, store: YieldingStore) -> None:
    subscription = bus.subscribe(store, EVERYTHING, after=None)
    await commit(store, CAPACITY + 1)
    await read_until(subscription, CAPACITY + 1)
    await commit(store, CAPACITY + 1)
    items = await read_until(subscription, 2 * CAPACITY + 2)
    assert items[0] == Lagged(CAPACITY + 2, 2 * CAPACITY + 2)
    assert bus.lagged_total == 2


async def test_overflow_during_a_replay_is_no_lag(bus: EventBus, store: YieldingStore) -> None:
    await commit(store, 10)
    subscription = bus.subscribe(store, EVERYTHING, after=0)
    store.may_read.clear()
    reader = asyncio.ensure_future(read(subscription))
    await store.reading.wait()
    await commit(store, 3 * CAPACITY)
    store.may_read.set()
    items = await reader + await read_until(subscription, 10 + 3 * CAPACITY)
    assert ids(items) == list(range(1, 10 + 3 * CAPACITY + 1))
    assert not [item for item in items if isinstance(item, Lagged)]
    assert bus.lagged_total == 0


async def test_events_of_others_do_not_fill_the_buffer(bus: EventBus, store: YieldingStore) -> None:
    only = EventFilter(types=frozenset({"node.left"}))
    subscription = bus.subscribe(store, only, after=None)
    await commit(store, 10 * CAPACITY)
    assert bus.lagged_total == 0
    await commit(store, 1, EventType.NODE_LEFT)
    assert ids(await read(subscription)) == [10 * CAPACITY + 1]


async def test_one_slow_reader_does_not_touch_the_others(bus: EventBus, store: YieldingStore) -> None:
    bus.subscribe(store, EVERYTHING, after=None)
    quick = bus.subscribe(store, EVERYTHING, after=None)
    seen: list[Item] = []
    for _ in range(5 * CAPACITY):
        await commit(store)
        seen += await read(quick)
    assert ids(seen) == list(range(1, 5 * CAPACITY + 1))
    assert not [item for item in seen if isinstance(item, Lagged)]


async def test_a_heartbeat_comes_when_nothing_else_does(bus: EventBus, store: YieldingStore) -> None:
    subscription = bus.subscribe(store, EVERYTHING, after=None)
    reader = asyncio.ensure_future(read(subscription))
    await asyncio.sleep(0)
    await bus.heartbeat()
    assert await reader == [Heartbeat()]
    assert await is_waiting(subscription)
    await commit(store)
    await bus.heartbeat()
    await bus.heartbeat()
    items = await read(subscription)
    assert (ids(items), items[-1]) == ([1], Heartbeat())


async def test_a_drain_ends_each_stream_after_what_is_at_hand(bus: EventBus, store: YieldingStore) -> None:
    waiting = bus.subscribe(store, EVERYTHING, after=None)
    reader = asyncio.ensure_future(read(waiting))
    await asyncio.sleep(0)
    holding = bus.subscribe(store, EVERYTHING, after=None)
    await commit(store, 2)
    assert ids(await reader) == [1, 2]
    bus.drain("draining")
    assert await read(waiting) == [Ended("draining")]
    items = await read(holding)
    assert (ids(items), items[-1]) == ([1, 2], Ended("draining"))
    late = bus.subscribe(store, EVERYTHING, after=0)
    assert await read(late) == [Ended("draining")]
    assert await read(late) == [Ended("draining")]


async def test_the_end_does_not_skip_what_a_lagging_reader_missed(
    bus: EventBus, store: YieldingStore
) -> None:
    subscription = bus.subscribe(store, EVERYTHING, after=None)
    await commit(store, CAPACITY + 3)
    subscription.end("draining")
    assert await read(subscription) == [Ended("draining")]
    again = bus.subscribe(store, EVERYTHING, after=subscription.position)
    assert ids(await read_until(again, CAPACITY + 3)) == list(range(1, CAPACITY + 4))


async def test_a_position_that_retention_removed_is_reset(bus: EventBus, store: YieldingStore) -> None:
    await commit(store, 10)
    await store.prune(Cutoffs(0, START_MS + 1, 0), START_MS, 6)
    for after, expected in ((1, [Reset(7)]), (5, [Reset(7)]), (6, []), (0, [])):
        subscription = bus.subscribe(store, EVERYTHING, after=after)
        items = await read_until(subscription, 10)
        assert [item for item in items if isinstance(item, Reset)] == expected
        assert ids(items) == [7, 8, 9, 10]


async def test_a_reader_that_lagged_beyond_retention_is_told_so(bus: EventBus, store: YieldingStore) -> None:
    subscription = bus.subscribe(store, EVERYTHING, after=None)
    await commit(store, 2)
    await read(subscription)
    await commit(store, CAPACITY + 10)
    await store.prune(Cutoffs(0, START_MS + 1, 0), START_MS, 8)
    items = await read_until(subscription, CAPACITY + 12)
    assert items[:2] == [Lagged(3, CAPACITY + 12), Reset(9)]
    assert ids(items) == list(range(9, CAPACITY + 13))


async def test_a_reset_is_not_lost_with_a_cancelled_read(bus: EventBus, store: YieldingStore) -> None:
    await commit(store, 10)
    await store.prune(Cutoffs(0, START_MS + 1, 0), START_MS, 6)
    subscription = bus.subscribe(store, EVERYTHING, after=2)
    store.may_read.clear()
    reader = asyncio.ensure_future(read(subscription))
    await store.reading.wait()
    reader.cancel()
    await asyncio.wait([reader])
    store.may_read.set()
    items = await read_until(subscription, 10)
    assert items[0] == Reset(7)
    assert ids(items) == [7, 8, 9, 10]


async def test_a_position_ahead_of_the_log_is_taken_for_its_end(bus: EventBus, store: YieldingStore) -> None:
    await commit(store, 3)
    subscription = bus.subscribe(store, EVERYTHING, after=1_000_000)
    assert subscription.position == 3
    await commit(store)
    assert ids(await read(subscription)) == [4]


async def test_a_new_bus_continues_behind_what_the_store_holds(bus: EventBus, store: YieldingStore) -> None:
    await commit(store, 5)
    second = EventBus(subscriber_buffer=CAPACITY)
    second.start_after(5)
    second.start_after(3)
    assert second.last_id == 5
    replay = second.subscribe(store, EVERYTHING, after=2)
    assert ids(await read_until(replay, 5)) == [3, 4, 5]


async def test_taps_see_every_event_in_order(bus: EventBus, store: YieldingStore) -> None:
    seen: list[list[int]] = [[], []]
    bus.tap(lambda event: seen[0].append(event.id))
    bus.tap(lambda event: seen[1].append(event.id))
    slow = bus.subscribe(store, EVERYTHING, after=None)
    for _ in range(20):
        await commit(store, CAPACITY)
    assert seen[0] == seen[1] == list(range(1, 20 * CAPACITY + 1))
    assert all(earlier < later for earlier, later in pairwise(seen[0]))
    assert not slow.is_caught_up


async def test_who_has_gone_is_not_kept(bus: EventBus, store: YieldingStore) -> None:
    subscription = bus.subscribe(store, EVERYTHING, after=None)
    assert bus.subscriber_count == 1
    bus.unsubscribe(subscription)
    bus.unsubscribe(subscription)
    assert bus.subscriber_count == 0
    await commit(store, 100)
    assert subscription.is_caught_up
