"""Who is next: priorities, turns, limits, pauses; and no permit is ever lost."""

import asyncio
import random
from collections import Counter
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.clock import DEADLINE_SECONDS
from tests.support.jobs import job_id

from airboss.engines.embedded import EmbeddedEngine
from airboss.engines.ordered import OrderedEntries
from airboss.ports.engine import QueueEntry


def entry(number: int, agent: str = "alpha", priority: int = 5, due_at_ms: int | None = None) -> QueueEntry:
    return QueueEntry(number if due_at_ms is None else due_at_ms, job_id(number), agent, priority)


def engine_with(*entries: QueueEntry) -> EmbeddedEngine:
    engine = EmbeddedEngine()
    for item in entries:
        engine.offer(item)
    return engine


async def take_all(engine: EmbeddedEngine, *, release: bool = True) -> list[QueueEntry]:
    """Take until nothing more may start."""
    taken: list[QueueEntry] = []
    while True:
        taker = asyncio.ensure_future(engine.take())
        await asyncio.sleep(0)
        if not taker.done():
            taker.cancel()
            await asyncio.wait([taker])
            return taken
        taken.append(taker.result())
        if release:
            engine.release(taken[-1])


async def until_waiting(*takers: asyncio.Future[QueueEntry]) -> None:
    """Let takers run until they wait."""
    await asyncio.sleep(0)
    assert not any(taker.done() for taker in takers)


async def take(engine: EmbeddedEngine) -> QueueEntry:
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await engine.take()


async def test_higher_priorities_go_first_then_who_is_due_first() -> None:
    entries = [entry(n, priority=n % 10, due_at_ms=100 - n // 10) for n in range(40)]
    engine = engine_with(*entries)
    assert await take_all(engine) == sorted(entries, key=lambda e: (-e.priority, e.due_at_ms, e.job_id))


async def test_agents_take_turns_within_a_priority() -> None:
    hog = [entry(n, "hog") for n in range(50)]
    others = [entry(100 + n, name) for n, name in enumerate(["beta", "gamma", "beta", "gamma"])]
    taken = await take_all(engine_with(*hog, *others))
    assert [e.agent for e in taken[:7]] == ["hog", "beta", "gamma", "hog", "beta", "gamma", "hog"]
    assert len(taken) == 54


async def test_a_newcomer_waits_for_one_round_only() -> None:
    engine = engine_with(*(entry(n, name) for n, name in enumerate("abcabcabc")))
    first = await take(engine)
    engine.offer(entry(50, "newcomer"))
    rest = await take_all(engine)
    assert first.agent == "a"
    assert [e.agent for e in rest].index("newcomer") == 3


async def test_an_agent_runs_no_more_than_its_limit() -> None:
    engine = engine_with(*(entry(n) for n in range(5)), entry(10, "beta"))
    engine.set_limits([("alpha", 2), ("beta", None)])
    running = await take_all(engine, release=False)
    assert Counter(e.agent for e in running) == {"alpha": 2, "beta": 1}
    assert engine.running() == {"alpha": 2, "beta": 1}
    assert engine.depths() == {"alpha": 3}
    waiting = asyncio.ensure_future(take(engine))
    await until_waiting(waiting)
    engine.release(running[0])
    assert (await waiting).job_id == job_id(2)


async def test_a_limit_that_is_raised_lets_the_next_start() -> None:
    engine = engine_with(*(entry(n) for n in range(3)))
    engine.set_limits([("alpha", 1)])
    assert len(await take_all(engine, release=False)) == 1
    takers = [asyncio.ensure_future(take(engine)) for _ in range(2)]
    await until_waiting(*takers)
    engine.set_limits([("alpha", 3)])
    assert {e.job_id for e in await asyncio.gather(*takers)} == {job_id(1), job_id(2)}


async def test_a_low_priority_goes_ahead_of_a_high_one_that_may_not_start() -> None:
    engine = engine_with(entry(1, "alpha", priority=9), entry(2, "beta", priority=0))
    engine.pause("alpha")
    assert (await take(engine)).agent == "beta"
    engine.resume("alpha")
    assert (await take(engine)).agent == "alpha"


async def test_a_paused_agent_starts_nothing_until_it_is_resumed() -> None:
    engine = EmbeddedEngine()
    engine.pause("alpha")
    takers = [asyncio.ensure_future(take(engine)) for _ in range(3)]
    await until_waiting(*takers)
    for number in range(3):
        engine.offer(entry(number))
    for _ in range(5):
        await until_waiting(*takers)
    assert (engine.depth(), engine.paused()) == (3, frozenset({"alpha"}))
    engine.resume("alpha")
    assert {e.job_id for e in await asyncio.gather(*takers)} == {job_id(n) for n in range(3)}
    assert (engine.depth(), engine.paused()) == (0, frozenset())


async def test_an_offer_wakes_who_waits() -> None:
    engine = EmbeddedEngine()
    takers = [asyncio.ensure_future(take(engine)) for _ in range(10)]
    await until_waiting(*takers)
    for number in range(10):
        engine.offer(entry(number))
    assert {e.job_id for e in await asyncio.gather(*takers)} == {job_id(n) for n in range(10)}


async def test_offering_twice_is_offering_once() -> None:
    engine = engine_with(entry(1), entry(1), entry(2))
    assert engine.depth() == 2
    assert await take_all(engine) == [entry(1), entry(2)]


async def test_what_was_withdrawn_is_not_taken() -> None:
    engine = engine_with(entry(1), entry(2), entry(3))
    assert engine.withdraw(entry(2))
    assert not engine.withdraw(entry(2))
    assert not engine.withdraw(entry(9, "nobody"))
    assert engine.position(entry(2)) is None
    assert engine.position(entry(3)) == 2
    assert await take_all(engine) == [entry(1), entry(3)]
    assert not engine.withdraw(entry(1))
    assert (engine.depth(), dict(engine.depths()), dict(engine.running())) == (0, {}, {})


async def test_a_paused_agent_stands_in_nobodys_way() -> None:
    engine = engine_with(*(entry(n, "alpha", priority=9) for n in range(5)), entry(10, "beta"))
    assert engine.position(entry(10, "beta")) == 6
    engine.pause("alpha")
    assert engine.position(entry(10, "beta")) == 1
    assert engine.position(entry(0, "alpha", priority=9)) == 1
    assert engine.position(entry(4, "alpha", priority=9)) == 5


queues = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 9), st.integers(0, 5)), min_size=1, max_size=60
)


@settings(max_examples=150, deadline=None)
@given(
    queues, st.integers(0, 20), st.lists(st.integers(0, 60), max_size=10), st.sets(st.sampled_from("abcd"))
)
def test_positions_are_the_real_order_of_takes(
    kinds: list[tuple[str, int, int]], taken_before: int, withdrawn: list[int], paused: set[str]
) -> None:
    async def run() -> None:
        entries = [entry(number, agent, priority, due) for number, (agent, priority, due) in enumerate(kinds)]
        engine = engine_with(*entries)
        for _ in range(min(taken_before, len(entries) - 1)):
            engine.release(await engine.take())
        for number in withdrawn:
            if number < len(entries):
                engine.withdraw(entries[number])
        for agent in paused:
            engine.pause(agent)
        queued = [item for item in entries if engine.position(item) is not None]
        assert len(queued) == engine.depth() == sum(engine.depths().values())
        free = [item for item in queued if item.agent not in paused]
        promised = {engine.position(item): item for item in free}
        taken = await take_all(engine)
        assert [promised[place] for place in sorted(promised, key=lambda p: p or 0)] == taken
        assert sorted(place or 0 for place in promised) == list(range(1, len(free) + 1))

    asyncio.run(run())


class Storm:
    """Offers, takers that come and are cancelled, and releases, in any order."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.engine = EmbeddedEngine()
        self.engine.set_limits([("alpha", 3)])
        self.takers: set[asyncio.Task[QueueEntry]] = set()
        self.running: list[QueueEntry] = []
        self.taken: Counter[str] = Counter()
        self.offered = 0

    def offer(self) -> None:
        agent = self.dice.choice(["alpha", "beta"])
        self.engine.offer(entry(self.offered, agent, self.dice.randrange(10)))
        self.offered += 1

    def come(self) -> None:
        self.takers.add(asyncio.ensure_future(self.engine.take()))

    def cancel(self) -> None:
        # In the same turn of the loop as an offer: the ring may be out already.
        if self.takers:
            self.dice.choice(list(self.takers)).cancel()

    def release(self) -> None:
        if self.running:
            self.engine.release(self.running.pop(self.dice.randrange(len(self.running))))

    async def settle(self) -> None:
        """Let the loop turn and see who has taken something."""
        for _ in range(4):
            await asyncio.sleep(0)
        for taker in [taker for taker in self.takers if taker.done()]:
            self.takers.remove(taker)
            if not taker.cancelled():
                self.taken[taker.result().job_id] += 1
                self.running.append(taker.result())
        assert self.engine.running().get("alpha", 0) <= 3

    async def blow(self, steps: int) -> None:
        acts = [self.offer, self.offer, self.come, self.come, self.cancel, self.release]
        for _ in range(steps):
            if self.dice.random() < 0.2:
                await self.settle()
            else:
                self.dice.choice(acts)()

    async def calm(self) -> None:
        """Take what is left, one taker after the other: each must get something."""
        await self.settle()
        while self.engine.depth():
            while self.running:
                self.release()
            before = self.taken.total()
            self.come()
            await self.settle()
            assert self.taken.total() > before, "an entry waits and nobody is told"
        for taker in self.takers:
            taker.cancel()
        await self.settle()
        while self.running:
            self.release()


@pytest.mark.parametrize("seed", range(10))
async def test_no_permit_is_lost_in_a_storm_of_cancelled_takers(seed: int) -> None:
    storm = Storm(seed)
    await storm.blow(1500)
    await storm.calm()
    assert storm.taken.total() == len(storm.taken) == storm.offered
    engine = storm.engine
    assert (engine.depth(), dict(engine.depths()), dict(engine.running())) == (0, {}, {})
    assert storm.takers == set()


async def test_a_taker_cancelled_with_its_ring_passes_it_on() -> None:
    engine = EmbeddedEngine()
    first, second = (asyncio.ensure_future(take(engine)) for _ in range(2))
    await until_waiting(first, second)
    engine.offer(entry(1))
    first.cancel()
    assert await second == entry(1)
    assert first.cancelled()


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 400)), max_size=900))
@settings(max_examples=60, deadline=None)
def test_the_sorted_queue_is_a_sorted_list(steps: list[tuple[bool, int]]) -> None:
    queue, model = OrderedEntries(), list[QueueEntry]()
    for adds, number in steps:
        item = entry(number)
        if adds:
            assert queue.add(item) == (item not in model)
            model = sorted({*model, item})
        elif number % 3 and model:
            assert queue.pop_first() == model.pop(0)
        else:
            assert queue.discard(item) == (item in model)
            model = [other for other in model if other != item]
        assert len(queue) == len(model)
    assert [queue.index(item) for item in model] == list(range(len(model)))


def test_a_long_queue_is_taken_in_order_while_it_is_cut() -> None:
    queue = OrderedEntries()
    for number in range(2000):
        assert queue.add(entry(number))
    taken = [queue.pop_first() for _ in range(1990)]
    assert queue.add(entry(5))
    assert [e.due_at_ms for e in taken] == list(range(1990))
    assert [key for key, _ in groupby(queue.pop_first().due_at_ms for _ in range(len(queue)))] == [
        5,
        *range(1990, 2000),
    ]
