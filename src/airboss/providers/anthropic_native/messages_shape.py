"""What a stream of the Messages API looks like: checked before anything is built from it."""

from typing import Any

from airboss.providers.faults import ProviderFault, bad_answer, fault_of_status

#: The reasons to stop, in the words of chat completions; one that is not here may mean half an answer.
_FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "content_filter",
}
#: Errors in a stream have no status of their own; these are the ones they have outside of it.
_STATUS_OF_ERROR = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class MessagesShape:
    """Events with `type`: one message, its blocks one after the other, then why it stopped."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.has_output = False
        self._has_begun = False
        self._open_blocks: set[int] = set()

    def take(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if not isinstance(kind, str):
            raise bad_answer("sent an event without a type")
        match kind:
            case "message_start":
                self._begin(event.get("message"))
            case "content_block_start":
                self._open(event)
            case "content_block_delta":
                self._fill(event)
            case "content_block_stop":
                self._open_blocks.discard(self._index(event))
            case "message_delta":
                self._stop(event.get("delta"))
            case "message_stop":
                self._end()
            case _:
                # `ping`, and what may be added: their versioning policy asks to let it pass.
                pass

    def _begin(self, message: Any) -> None:
        if self._has_begun or not isinstance(message, dict) or not isinstance(message.get("usage"), dict):
            raise bad_answer("began with a message of the wrong shape")
        self._has_begun = True

    def _open(self, event: dict[str, Any]) -> None:
        block, index = event.get("content_block"), event.get("index")
        if not self._has_begun or not isinstance(index, int) or not isinstance(block, dict):
            raise bad_answer("sent a block of the wrong shape")
        if block.get("type") == "tool_use":
            if not _is_word(block.get("id")) or not _is_word(block.get("name")):
                raise bad_answer("asked for a tool without a name")
            self.has_output = True
        self._notice(block.get("text", ""))
        self._open_blocks.add(index)

    def _fill(self, event: dict[str, Any]) -> None:
        delta = event.get("delta")
        self._index(event)
        if not isinstance(delta, dict):
            raise bad_answer("sent a delta of the wrong shape")
        for field in ("partial_json", "thinking", "signature"):
            if not isinstance(delta.get(field, ""), str):
                raise bad_answer("sent a delta of the wrong shape")
        self._notice(delta.get("text", ""))

    def _notice(self, text: Any) -> None:
        if not isinstance(text, str):
            raise bad_answer("sent text of the wrong shape")
        self.has_output = self.has_output or bool(text)

    def _index(self, event: dict[str, Any]) -> int:
        index = event.get("index")
        if not isinstance(index, int) or index not in self._open_blocks:
            raise bad_answer("sent a piece of a block that it did not begin")
        return index

    def _stop(self, delta: Any) -> None:
        if not self._has_begun or not isinstance(delta, dict):
            raise bad_answer("ended with a message of the wrong shape")
        reason = delta.get("stop_reason")
        if reason is None:
            return
        finish = _FINISH_REASONS.get(reason) if isinstance(reason, str) else None
        if finish is None:
            raise bad_answer("stopped for a reason that is not known")
        if finish == "length" and not self.has_output:
            raise bad_answer("spent its max_tokens before its first word")
        self.finish_reason = finish

    def _end(self) -> None:
        """Refuse an end that is none: behind this event nothing is waited for."""
        if self.finish_reason is None:
            raise bad_answer("ended without a stop reason")
        if not self.has_output:
            raise bad_answer("finished without an answer")


def fault_of_error(error: Any) -> ProviderFault:
    """Return what an error with status 200 means; an overload may be asked again, like a 5xx."""
    kind = error.get("type") if isinstance(error, dict) else None
    status = _STATUS_OF_ERROR.get(kind) if isinstance(kind, str) else None
    if status is None:
        return bad_answer("told of an error in its answer")
    fault = fault_of_status(status, None)
    fault.reason = f"told of an error in its answer ({kind})"
    return fault


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and bool(value)
