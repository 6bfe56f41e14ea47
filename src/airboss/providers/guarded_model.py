"""A wire model of the SDK behind its provider's call path."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, cast

import openai
from agents import Model, ModelResponse
from agents.exceptions import ModelBehaviorError, ModelRefusalError
from openai.types.responses import (
    ResponseCompletedEvent,
    ResponseFunctionCallArgumentsDeltaEvent,
    ResponseIncompleteEvent,
    ResponseOutputItem,
    ResponseOutputItemDoneEvent,
    ResponseRefusalDeltaEvent,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
)

from airboss.providers.call_path import CallPath, Reading
from airboss.providers.checked_transport import current_attempt
from airboss.providers.faults import ProviderFault, bad_answer, unreachable
from airboss.providers.whole_response import usable_response

#: The first word, as the check of the bytes sees it too: an item that is announced says nothing yet.
_OUTPUT = (ResponseTextDeltaEvent, ResponseFunctionCallArgumentsDeltaEvent, ResponseRefusalDeltaEvent)


class GuardedModel(Model):
    """Streams answers that were checked; raises `JobFailure` with a documented code."""

    def __init__(self, inner: Callable[[], Model], path: CallPath, model: str) -> None:
        self._inner = inner
        self._path = path
        self._model = model

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        raise NotImplementedError("answers are always streamed")

    def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[ResponseStreamEvent]:
        return self._path.stream(self._model, lambda: _asked(self._inner(), args, kwargs), READING)


async def _asked(inner: Model, args: Any, kwargs: Any) -> AsyncGenerator[ResponseStreamEvent]:
    """Ask once; an answer cut by its length is a whole one that says so."""
    attempt = current_attempt.get()
    stream = cast("AsyncGenerator[ResponseStreamEvent]", inner.stream_response(*args, **kwargs))
    items: list[ResponseOutputItem] = []
    async with aclosing(stream):
        async for event in stream:
            if isinstance(event, ResponseIncompleteEvent | ResponseCompletedEvent):
                is_cut = attempt.check.finish_reason == "length"
                response = usable_response(event.response, items, is_cut=is_cut)
                yield ResponseCompletedEvent.model_construct(
                    type="response.completed", response=response, sequence_number=0
                )
                if isinstance(event, ResponseIncompleteEvent):
                    # The SDK takes it for a failure.
                    return
                continue
            if isinstance(event, ResponseOutputItemDoneEvent):
                items.append(event.item)
            elif isinstance(event, ResponseTextDeltaEvent) and not isinstance(event.delta, str):
                raise bad_answer("sent a delta of the wrong shape")
            yield event


def _fault_of(error: Exception) -> ProviderFault | None:
    """Find our own fault under what a client library made of it, or say what its error means."""
    below: BaseException | None = error
    while below is not None:
        if isinstance(below, ProviderFault):
            return below
        below = below.__cause__
    if isinstance(error, openai.APIConnectionError):
        return unreachable("broke the connection")
    if isinstance(error, ModelRefusalError):
        return ProviderFault("provider_rejected", "refused to answer", counts=False)
    if isinstance(
        error, openai.APIError | ModelBehaviorError | ValueError | TypeError | AttributeError | KeyError
    ):
        return bad_answer("answered what cannot be used")
    return None


READING: Reading[ResponseStreamEvent] = Reading(
    is_output=lambda event: isinstance(event, _OUTPUT),
    is_end=lambda event: isinstance(event, ResponseCompletedEvent),
    fault_of=_fault_of,
)
