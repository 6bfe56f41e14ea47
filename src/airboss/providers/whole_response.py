"""The last word on an answer: client libraries build it from whatever they were sent, unchecked."""

from collections.abc import Sequence
from typing import Any

from openai.types.responses import (
    Response,
    ResponseFunctionToolCall,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseUsage,
)
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails
from pydantic import BaseModel

from airboss.providers.faults import ProviderFault, bad_answer


def make_usable(response: Response, streamed: Sequence[ResponseOutputItem]) -> None:
    """Fill in what may be missing; raises `ProviderFault` where it is no answer.

    `streamed` are the items that came before it: some servers leave them out of their last event.
    """
    response.output = response.output or list(streamed)
    for item in response.output:
        _require_shape(item)
    calls = any(isinstance(item, ResponseFunctionToolCall) for item in response.output)
    messages = [item for item in response.output if isinstance(item, ResponseOutputMessage)]
    parts = [part for message in messages for part in message.content]
    if not calls and any(isinstance(part, ResponseOutputRefusal) for part in parts):
        raise ProviderFault("provider_rejected", "refused to answer", counts=False)
    if not calls and not any(isinstance(part, ResponseOutputText) and part.text for part in parts):
        raise bad_answer("finished without an answer")
    response.usage = _counted(response.usage)


def _require_shape(item: Any) -> None:
    is_good = isinstance(item, BaseModel)
    if isinstance(item, ResponseOutputMessage):
        content: Any = item.content
        is_good = item.type == "message" and isinstance(content, list) and all(map(_is_part, content))
    elif isinstance(item, ResponseFunctionToolCall):
        is_good = isinstance(item.name, str) and isinstance(item.arguments, str)
    if not is_good:
        raise bad_answer("sent output of the wrong shape")


def _is_part(part: Any) -> bool:
    if isinstance(part, ResponseOutputText):
        return part.type == "output_text" and isinstance(part.text, str)
    return isinstance(part, ResponseOutputRefusal) and isinstance(part.refusal, str)


def _counted(usage: Any) -> ResponseUsage | None:
    """Return usage whose numbers are numbers: an answer is not worse for its bill."""
    if usage is None:
        return None
    read, written = _number(usage, "input_tokens"), _number(usage, "output_tokens")
    details = getattr(usage, "input_tokens_details", None)
    return ResponseUsage(
        input_tokens=read,
        output_tokens=written,
        total_tokens=read + written,
        input_tokens_details=InputTokensDetails(
            cached_tokens=_number(details, "cached_tokens"),
            cache_write_tokens=_number(details, "cache_write_tokens"),
        ),
        output_tokens_details=OutputTokensDetails(
            reasoning_tokens=_number(getattr(usage, "output_tokens_details", None), "reasoning_tokens")
        ),
    )


def _number(owner: Any, name: str) -> int:
    value = getattr(owner, name, None)
    return value if isinstance(value, int) and value >= 0 else 0
