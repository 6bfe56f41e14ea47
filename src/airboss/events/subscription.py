"""One reader's view of the stream: from storage up to now, then live, and back to storage when it lags."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from airboss.domain.events import Event
from airboss.ports.store import EventFilter, Store

#: A page holds up everyone else while it is read and encoded: with 200 a reader that catches up made the
#: others' p99 3.4 times as long, with 32 half that, for a sixth less of its own pace.
_PAGE = 32


@dataclass(frozen=True, slots=True)
class Lagged:
    """The reader was too slow: ids from `missed_from` to `missed_to`, inclusive, come from storage next."""

    missed_from: int
    missed_to: int


@dataclass(frozen=True, slots=True)
class Reset:
    """The position asked for is older than what is kept; `oldest` is the first id that still can be."""

    oldest: int


@dataclass(frozen=True, slots=True)
class Ended:
    reason: str


@dataclass(frozen=True, slots=True)
class Heartbeat:
    pass


Item = Event | Lagged | Reset | Ended | Heartbeat
#: Gives items to a reader at once; False where it cannot take them now.
Push = Callable[[Sequence[Item]], bool]


class Subscription:
    """Holds at most `capacity` live events; what does not fit is read from the store later.

    Three ids describe it: `position`, the last id the reader has been given (or knows to be none of its
    own); `live_after`, up to which events come from the store; and the ring, which holds all matching
    events behind `live_after`. A full ring is dropped whole and `live_after` moves to its end: memory
    stays bounded, and the reader loses nothing.

    A reader that has everything and waits for more may be given it by `push`, in the turn of the loop that
    published it: waking its task took more time than all else in a delivery.
    """

    def __init__(
        self,
        store: Store,
        only: EventFilter,
        *,
        position: int,
        live_after: int,
        capacity: int,
        on_lag: Callable[[], None],
    ) -> None:
        self._store = store
        self._only = only
        self._position = position
        self._live_after = live_after
        self._capacity = capacity
        self._on_lag = on_lag
        self._ring: deque[Event] = deque()
        self._lagging = False
        self._beat_due = False
        self._end_reason: str | None = None
        self._caught_up_reason: str | None = None
        self._told_end = False
        self._waiter: asyncio.Future[None] | None = None
        self.push: Push | None = None

    @property
    def position(self) -> int:
        return self._position

    @property
    def is_caught_up(self) -> bool:
        """Whether the reader has been given everything that was published."""
        return self._position >= self._live_after and not self._ring

    def offer(self, events: Sequence[Event]) -> None:
        """Take live events; called by the bus."""
        admits = self._only.admits
        admitted = [event for event in events if admits(event)]
        if not admitted:
            return
        if self._push(admitted):
            self._position = self._live_after = admitted[-1].id
            return
        for event in admitted:
            if len(self._ring) < self._capacity:
                self._ring.append(event)
            else:
                self._overflow(event)
        self._wake()

    def _push(self, items: Sequence[Item]) -> bool:
        waits = self._waiter is not None and not self._waiter.done()
        return self.push is not None and waits and self.push(items)

    def _overflow(self, event: Event) -> None:
        # A reader that is still on its way through storage has missed nothing it needs to be told of.
        if not self._lagging and self._position >= self._live_after:
            self._lagging = True
            self._on_lag()
        self._ring.clear()
        self._live_after = event.id

    def beat(self) -> None:
        if not self._push([Heartbeat()]):
            self._beat_due = True
            self._wake()

    def end(self, reason: str) -> None:
        """End the stream after what the reader can still be given without waiting."""
        self._end_reason = reason
        self._wake()

    def end_when_caught_up(self, reason: str) -> None:
        """End the stream where it would wait: nothing more can come."""
        self._caught_up_reason = reason
        self._wake()

    async def read(self) -> list[Item]:
        """Wait for what comes next: at least one item, in the order of ids."""
        while True:
            if self._end_reason is not None:
                return self._read_end(self._end_reason)
            if self._caught_up_reason is not None and self.is_caught_up:
                return [Ended(self._caught_up_reason)]
            if self._lagging:
                self._lagging = False
                return [Lagged(self._position + 1, self._live_after)]
            if self._position < self._live_after:
                items = await self._read_stored()
            else:
                items = self._read_ring()
            if self._beat_due:
                self._beat_due = False
                items.append(Heartbeat())
            if items:
                return items
            if self._caught_up_reason is None and self.is_caught_up and self._end_reason is None:
                await self._wait()

    def _read_ring(self) -> list[Item]:
        items: list[Item] = list(self._ring)
        self._ring.clear()
        if items:
            self._position = self._live_after = _last_id(items)
        return items

    async def _read_stored(self) -> list[Item]:
        """Read the next page up to `live_after`, which may move on meanwhile: it only ever grows."""
        through = self._live_after
        page = await self._store.events(self._position, through, _PAGE, self._only)
        # Looked at behind each page: what is removed in between is told rather than missed.
        items = await self._reset_if_pruned()
        self._position = page.read_through if page.has_more else max(through, page.read_through)
        return items + list(page.events)

    async def _reset_if_pruned(self) -> list[Item]:
        bounds = await self._store.event_bounds()
        if 0 < self._position < bounds.pruned_through:
            return [Reset(bounds.pruned_through + 1)]
        return []

    def _read_end(self, reason: str) -> list[Item]:
        if self._told_end:
            return [Ended(reason)]
        self._told_end = True
        # Live events that are at hand go out first; a reader still behind resumes from its position.
        behind = self._lagging or self._position < self._live_after
        items: list[Item] = [] if behind else self._read_ring()
        return [*items, Ended(reason)]

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _last_id(items: Sequence[Item]) -> int:
    last = items[-1]
    return last.id if isinstance(last, Event) else 0
