"""The embedded engine: an in-memory queue beside the store it rings for."""

import asyncio
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from airboss.domain.jobs import MAX_PRIORITY, MIN_PRIORITY
from airboss.engines.ordered import OrderedEntries
from airboss.ports.engine import QueueEntry


class _Level:
    """One priority: the agents that have entries, in the order of their turns."""

    def __init__(self) -> None:
        self.queues: OrderedDict[str, OrderedEntries] = OrderedDict()

    def add(self, entry: QueueEntry) -> bool:
        return self.queues.setdefault(entry.agent, OrderedEntries()).add(entry)

    def discard(self, entry: QueueEntry) -> bool:
        queue = self.queues.get(entry.agent)
        if queue is None or not queue.discard(entry):
            return False
        if not queue:
            del self.queues[entry.agent]
        return True

    def take_turn(self, agent: str) -> QueueEntry:
        queue = self.queues[agent]
        entry = queue.pop_first()
        if queue:
            self.queues.move_to_end(agent)
        else:
            del self.queues[agent]
        return entry

    def position(self, entry: QueueEntry, skipped: AbstractSet[str]) -> int | None:
        """Count the starts before this entry if agents take turns: `index` rounds and the part of one."""
        queue = self.queues.get(entry.agent)
        index = None if queue is None else queue.index(entry)
        if index is None:
            return None
        ahead, before_own_turn = index, True
        for agent, other in self.queues.items():
            if agent == entry.agent:
                before_own_turn = False
            elif agent not in skipped:
                ahead += min(len(other), index + before_own_turn)
        return ahead + 1


class EmbeddedEngine:
    """Higher priorities first; within one, agents take turns, so that none starves the others."""

    def __init__(self) -> None:
        self._levels = {priority: _Level() for priority in range(MAX_PRIORITY, MIN_PRIORITY - 1, -1)}
        self._depths: Counter[str] = Counter()
        self._depth = 0
        self._running: Counter[str] = Counter()
        self._limits: dict[str, int | None] = {}
        self._paused: set[str] = set()
        self._waiters: deque[asyncio.Future[None]] = deque()

    def set_limits(self, limits: Iterable[tuple[str, int | None]]) -> None:
        self._limits = dict(limits)
        self._ring()

    def offer(self, entry: QueueEntry) -> None:
        if self._levels[entry.priority].add(entry):
            self._depth += 1
            self._depths[entry.agent] += 1
            self._ring()

    def withdraw(self, entry: QueueEntry) -> bool:
        if not self._levels[entry.priority].discard(entry):
            return False
        self._leave(entry)
        return True

    async def take(self) -> QueueEntry:
        while (entry := self._next()) is None:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                # A ring this worker can no longer answer is passed on: no entry waits for a lost permit.
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                else:
                    self._ring()
                raise
        # There may be more than one to start: whoever was woken wakes the next.
        self._ring()
        return entry

    def release(self, entry: QueueEntry) -> None:
        self._running[entry.agent] -= 1
        if not self._running[entry.agent]:
            del self._running[entry.agent]
        self._ring()

    def pause(self, agent: str) -> None:
        self._paused.add(agent)

    def resume(self, agent: str) -> None:
        self._paused.discard(agent)
        self._ring()

    def paused(self) -> frozenset[str]:
        return frozenset(self._paused)

    def depth(self) -> int:
        return self._depth

    def depths(self) -> Mapping[str, int]:
        return self._depths

    def running(self) -> Mapping[str, int]:
        return self._running

    def position(self, entry: QueueEntry) -> int | None:
        # Who is paused stands in nobody's way, and is told its place as if it were resumed now.
        skipped = self._paused - {entry.agent}
        own = self._levels[entry.priority].position(entry, skipped)
        if own is None:
            return None
        higher = (
            len(queue)
            for priority, level in self._levels.items()
            if priority > entry.priority
            for agent, queue in level.queues.items()
            if agent not in skipped
        )
        return sum(higher) + own

    def _next(self) -> QueueEntry | None:
        if not self._depth:
            return None
        for level in self._levels.values():
            for agent in level.queues:
                if self._may_start(agent):
                    entry = level.take_turn(agent)
                    self._leave(entry)
                    self._running[agent] += 1
                    return entry
        return None

    def _may_start(self, agent: str) -> bool:
        limit = self._limits.get(agent)
        return agent not in self._paused and (limit is None or self._running[agent] < limit)

    def _leave(self, entry: QueueEntry) -> None:
        self._depth -= 1
        self._depths[entry.agent] -= 1
        if not self._depths[entry.agent]:
            del self._depths[entry.agent]

    def _ring(self) -> None:
        while self._depth and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
