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
from openai.types.responses.response import IncompleteDetails
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails
from pydantic import BaseModel, ValidationError

from airboss.providers.faults import ProviderFault, bad_answer

#: Copied for each answer: building one takes ten times as long.
_BLANK = Response(
    id="",
    created_at=0,
    model="",
    object="response",
    output=[],
    parallel_tool_calls=True,
    tool_choice="auto",
    tools=[],
)
_MESSAGE_FIELDS = frozenset({"id", "type", "role", "status", "content", "provider_data"})
_TEXT_FIELDS = frozenset({"type", "text", "annotations", "logprobs"})


def usable_response(response: Response, streamed: Sequence[ResponseOutputItem], *, is_cut: bool) -> Response:
    """Return an answer that is one, in shape too, so that it can be kept and read again.

    `streamed` are the items that came before it: some servers leave them out of their last event. Raises
    `ProviderFault` where there is nothing to use.
    """
    items = [_usable_item(item) for item in response.output or streamed]
    calls = any(isinstance(item, ResponseFunctionToolCall) for item in items)
    parts = [part for item in items if isinstance(item, ResponseOutputMessage) for part in item.content]
    if not calls and any(isinstance(part, ResponseOutputRefusal) for part in parts):
        raise ProviderFault("provider_rejected", "refused to answer", counts=False)
    if not calls and not any(isinstance(part, ResponseOutputText) and part.text for part in parts):
        raise bad_answer("finished without an answer")
    return _BLANK.model_copy(
        update={
            "id": _text(response, "id"),
            "created_at": _number(response, "created_at"),
            "model": _text(response, "model"),
            "output": items,
            "status": "incomplete" if is_cut else "completed",
            "incomplete_details": IncompleteDetails(reason="max_output_tokens") if is_cut else None,
            "usage": _counted(response.usage),
        }
    )


def _usable_item(item: Any) -> Any:
    if not isinstance(item, BaseModel):
        raise bad_answer("sent output of the wrong shape")
    if _is_plain(item):
        return item
    try:
        return type(item).model_validate(item.model_dump(exclude_unset=True, warnings=False))
    except ValidationError:
        pass
    if isinstance(item, ResponseOutputMessage):
        content: Any = item.content
        if not isinstance(content, list):
            raise bad_answer("sent output of the wrong shape")
        return ResponseOutputMessage(
            id=_text(item, "id"),
            type="message",
            role="assistant",
            status="completed",
            content=[_usable_part(part) for part in content],
        )
    if isinstance(item, ResponseFunctionToolCall) and isinstance(item.name, str):
        return ResponseFunctionToolCall(
            type="function_call",
            call_id=_text(item, "call_id"),
            name=item.name,
            arguments=_text(item, "arguments"),
        )
    raise bad_answer("sent output of the wrong shape")


def _is_plain(item: Any) -> bool:
    """Tell quickly whether an item is text and nothing else, in a shape that needs no validation."""
    kind = type(item)
    return (
        kind is ResponseOutputMessage
        and item.model_fields_set <= _MESSAGE_FIELDS
        and (item.type, item.role, item.status) == ("message", "assistant", "completed")
        and isinstance(item.id, str)
        and isinstance(item.content, list)
        and all(map(_is_plain_part, item.content))
    )


def _is_plain_part(part: Any) -> bool:
    kind = type(part)
    return (
        kind is ResponseOutputText
        and part.model_fields_set <= _TEXT_FIELDS
        and part.type == "output_text"
        and isinstance(part.text, str)
        and part.annotations == []
        and not part.logprobs
    )


def _usable_part(part: Any) -> ResponseOutputText | ResponseOutputRefusal:
    if isinstance(part, ResponseOutputText) and isinstance(part.text, str):
        return ResponseOutputText(type="output_text", text=part.text, annotations=[])
    if isinstance(part, ResponseOutputRefusal) and isinstance(part.refusal, str):
        return ResponseOutputRefusal(type="refusal", refusal=part.refusal)
    raise bad_answer("sent output of the wrong shape")


def _counted(usage: Any) -> ResponseUsage | None:
    """Return usage whose numbers are numbers: an answer is not worse for its bill."""
    if usage is None:
        return None
    read, written = _number(usage, "input_tokens"), _number(usage, "output_tokens")
    read_details = getattr(usage, "input_tokens_details", None)
    written_details = getattr(usage, "output_tokens_details", None)
    return ResponseUsage(
        input_tokens=read,
        output_tokens=written,
        total_tokens=read + written,
        input_tokens_details=InputTokensDetails(
            cached_tokens=_number(read_details, "cached_tokens"),
            cache_write_tokens=_number(read_details, "cache_write_tokens"),
        ),
        output_tokens_details=OutputTokensDetails(
            reasoning_tokens=_number(written_details, "reasoning_tokens")
        ),
    )


def _text(owner: Any, name: str) -> str:
    value = getattr(owner, name, None)
    return value if isinstance(value, str) else ""


def _number(owner: Any, name: str) -> int:
    value = getattr(owner, name, None)
    # Beyond 63 bits no database counts it, and no provider means it.
    return int(value) if isinstance(value, int | float) and 0 <= value < 2**63 else 0
