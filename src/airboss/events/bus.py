"""One bus per process: every committed event passes here once, in the order of ids."""

import asyncio
from collections.abc import Callable, Sequence

from airboss.domain.events import Event
from airboss.events.subscription import Subscription
from airboss.ports.store import EventFilter, Store

_BEATS_IN_A_TURN = 100
#: Sees every event, in line; must be quick and must not raise.
Tap = Callable[[Event], None]


class EventBus:
    """Publishes to taps losslessly and to subscriptions within their bounds."""

    def __init__(self, *, subscriber_buffer: int) -> None:
        self._subscriber_buffer = subscriber_buffer
        self._taps: list[Tap] = []
        self._subscriptions: set[Subscription] = set()
        self._last_id = 0
        self._lagged_total = 0
        self._draining: str | None = None

    @property
    def last_id(self) -> int:
        """The greatest id that was published; everything up to it can be read from the store."""
        return self._last_id

    @property
    def subscriber_count(self) -> int:
        return len(self._subscriptions)

    @property
    def lagged_total(self) -> int:
        return self._lagged_total

    def start_after(self, last_id: int) -> None:
        """Continue behind the events that the store already holds."""
        self._last_id = max(self._last_id, last_id)

    def tap(self, tap: Tap) -> None:
        self._taps.append(tap)

    def publish(self, events: Sequence[Event]) -> None:
        """Hand on committed events; called by the store, in the order of ids."""
        self._last_id = events[-1].id
        for event in events:
            for tap in self._taps:
                tap(event)
        for subscription in self._subscriptions:
            subscription.offer(events)

    def subscribe(self, store: Store, only: EventFilter, *, after: int | None) -> Subscription:
        """Follow the stream from behind `after`, or from now on; give it back with `unsubscribe`."""
        subscription = Subscription(
            store,
            only,
            position=self._last_id if after is None else min(after, self._last_id),
            live_after=self._last_id,
            capacity=self._subscriber_buffer,
            on_lag=self._count_lag,
        )
        if self._draining is not None:
            subscription.end(self._draining)
        self._subscriptions.add(subscription)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        self._subscriptions.discard(subscription)

    async def heartbeat(self) -> None:
        """Give every subscriber a sign of life, and let other work in between: there may be thousands."""
        for number, subscription in enumerate(list(self._subscriptions), start=1):
            subscription.beat()
            if number % _BEATS_IN_A_TURN == 0:
                await asyncio.sleep(0)

    def drain(self, reason: str) -> None:
        """End every stream, and those still to come."""
        self._draining = reason
        for subscription in self._subscriptions:
            subscription.end(reason)

    def _count_lag(self) -> None:
        self._lagged_total += 1
