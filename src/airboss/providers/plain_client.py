"""OpenAI's client library without what it takes from the environment, and without its own reading of JSON."""

from collections import deque
from collections.abc import AsyncIterator, Iterator
from typing import Any, Self

from openai import AsyncOpenAI

from airboss.providers.checked_transport import current_attempt


class CheckedEvent:
    """An event as the client takes it from its decoder, read already: what was checked is what is used."""

    __slots__ = ("_value", "data")
    event = None

    def __init__(self, value: dict[str, Any] | None) -> None:
        self._value = value
        self.data = "[DONE]" if value is None else ""

    def json(self) -> Any:
        return self._value


class CheckedEvents:
    """A decoder that reads nothing: the check below has read each event when its bytes come by."""

    def __init__(self, events: deque[dict[str, Any] | None]) -> None:
        self._events = events

    def iter_bytes(self, iterator: Iterator[bytes]) -> Iterator[Any]:
        raise NotImplementedError("answers are read asynchronously")

    async def aiter_bytes(self, iterator: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        async for _ in iterator:
            while self._events:
                yield CheckedEvent(self._events.popleft())
        while self._events:
            yield CheckedEvent(self._events.popleft())


class PlainClient(AsyncOpenAI):
    """Sends nobody the organisation, project and headers that the environment holds for one vendor."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.organization = self.project = None
        self._custom_headers = {}

    def with_options(self, **options: Any) -> Self:
        """Return itself: all the SDK wants is no retries, and a copy would look into the environment again."""
        assert options == {"max_retries": 0}, options  # noqa: S101 - what the SDK calls it with
        return self

    def _make_sse_decoder(self) -> Any:
        return CheckedEvents(current_attempt.get().check.keep_events())
