"""Server-sent events over raw ASGI: one serialised frame shared by all who read it."""

import asyncio
from collections.abc import Callable, Iterable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from airboss.domain.events import Event
from airboss.events.bus import EventBus
from airboss.events.frames import HEARTBEAT, RETRY, frame, notice
from airboss.events.subscription import Ended, Heartbeat, Item, Lagged, Reset, Subscription

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx would hold the stream back until its buffer is full.
    (b"x-accel-buffering", b"no"),
]
#: An ASGI extension: the connection's `try_write`, where the server has one.
DIRECT = "airboss.direct"
#: Writes a part of the answer's body at once; False where the peer has not taken enough of what came before.
TryWrite = Callable[[bytes], bool]
#: Where in a request's state the edge leaves a list, for a stream to put itself in: see `EventStreamResponse`.
TAKEN_OVER = "taken_over"
#: Tells the reason to end the stream behind an item; None goes on.
EndsAfter = Callable[[Item], str | None]


class EventStreamResponse(Response):
    """Owns its subscription from the first byte to the last.

    An async generator that was never started never runs its `finally`: the response itself gives the
    subscription back.

    A stream may stay for days, and with it every layer that awaits it: from the edge to the route they hold
    half of a stream's memory, and each event passes them all. Once they have had the headers and the first
    bytes they have done their work: an edge that offers it runs the rest itself, and they unwind.
    """

    def __init__(
        self,
        bus: EventBus,
        subscription: Subscription,
        *,
        ends_after: EndsAfter | None = None,
        seconds_left: float | None = None,
        on_close: Callable[[], None],
    ) -> None:
        """Stream for `seconds_left` at most: then it breaks off without `stream.end`, which means to reconnect."""
        self.status_code = 200
        self.background = None
        self.body = b""
        self.raw_headers = list(_HEADERS)
        self._bus = bus
        self._subscription = subscription
        self._ends_after = ends_after
        self._seconds_left = seconds_left
        self._on_close = on_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": RETRY, "more_body": True})
        except BaseException:
            self._close()
            raise
        self._push_over(scope.get("extensions", {}).get(DIRECT))
        taken_over = scope.get("state", {}).get(TAKEN_OVER)
        if taken_over is None:
            await self.follow(receive, send)
        else:
            taken_over.append(self)

    async def follow(self, receive: Receive, send: Send) -> None:
        """Stream what comes behind the first bytes, to the end."""
        # One task beside the request's own, not two: there are thousands of them.
        gone = asyncio.create_task(self._end_with_peer(receive))
        time_left = asyncio.timeout(self._seconds_left)
        try:
            async with time_left:
                await self._stream(send)
        except TimeoutError:
            if not time_left.expired():
                raise
            self._subscription.push = None
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            self._close()

    def _push_over(self, try_write: TryWrite | None) -> None:
        # A stream that may end with an event is left to its task.
        if try_write is not None and self._ends_after is None:
            write = try_write
            self._subscription.push = lambda items: write(b"".join(map(_encode_item, items)))

    def _close(self) -> None:
        self._bus.unsubscribe(self._subscription)
        self._on_close()

    async def _end_with_peer(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._subscription.end("disconnected")

    async def _stream(self, send: Send) -> None:
        more = True
        while more:
            items = await self._subscription.read()
            body, more = self._encode(items)
            await send({"type": "http.response.body", "body": body, "more_body": more})

    def _encode(self, items: Iterable[Item]) -> tuple[bytes, bool]:
        """Return the bytes, and whether the stream goes on behind them."""
        parts: list[bytes] = []
        for item in items:
            parts.append(_encode_item(item))
            reason = item.reason if isinstance(item, Ended) else self._ends_after and self._ends_after(item)
            if reason:
                if not isinstance(item, Ended):
                    parts.append(notice("stream.end", reason=reason))
                return b"".join(parts), False
        return b"".join(parts), True


def _encode_item(item: Item) -> bytes:
    match item:
        case Event():
            return frame(item)
        case Lagged(missed_from, missed_to):
            return notice("stream.lagged", missed_from=missed_from, missed_to=missed_to)
        case Reset(oldest):
            return notice("stream.reset", oldest=oldest)
        case Ended(reason):
            return notice("stream.end", reason=reason)
        case Heartbeat():
            return HEARTBEAT
