"""Checking a streamed answer as its bytes come in, before anything is built from them.

Client libraries take a page of HTML, `{}`, an error with status 200 or nothing at all for an empty answer,
and a stream that was cut for a whole one. Here each `data:` line must have the shape of its API, and the
stream must say how it finished.
"""

import json
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from pydantic_core import from_json

from airboss.domain.providers import ProviderApi
from airboss.providers.faults import ProviderFault, bad_answer


class _Shape(Protocol):
    """Knows one API's events: takes each, tells what the end was."""

    finish_reason: str | None
    has_output: bool

    def take(self, event: dict[str, Any]) -> None: ...


class ChatShape:
    """Chat completions: chunks with `choices`, of which one says `finish_reason`."""

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.has_output = False

    def take(self, event: dict[str, Any]) -> None:
        choices = event.get("choices")
        if not isinstance(choices, list):
            raise bad_answer("sent a chunk without choices")
        for choice in choices:
            if not isinstance(choice, dict):
                raise bad_answer("sent a choice of the wrong shape")
            delta = choice.get("delta") or {}
            if not isinstance(delta, dict):
                raise bad_answer("sent a delta of the wrong shape")
            if delta.get("content") or delta.get("tool_calls") or delta.get("refusal"):
                self.has_output = True
            self.finish_reason = choice.get("finish_reason") or self.finish_reason


class ResponsesShape:
    """Responses: events with `type`, of which the last holds the whole response."""

    _OUTPUT = ("response.output_text.delta", "response.function_call_arguments", "response.refusal")

    def __init__(self) -> None:
        self.finish_reason: str | None = None
        self.has_output = False

    def take(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if not isinstance(kind, str):
            raise bad_answer("sent an event without a type")
        if kind in ("response.failed", "error"):
            raise bad_answer("told of an error in its answer")
        if kind.startswith(self._OUTPUT):
            self.has_output = True
        if kind in ("response.completed", "response.incomplete"):
            self._end(event.get("response"))

    def _end(self, response: Any) -> None:
        if not isinstance(response, dict) or not isinstance(response.get("output"), list):
            raise bad_answer("ended with a response of the wrong shape")
        self.has_output = self.has_output or bool(response["output"])
        details = response.get("incomplete_details") or {}
        reason = details.get("reason") if isinstance(details, dict) else None
        self.finish_reason = {"max_output_tokens": "length", None: "stop"}.get(reason, str(reason))


def _told_of_an_error(error: Any) -> ProviderFault:  # noqa: ARG001 - nothing in it can be relied on
    return bad_answer("told of an error in its answer")


def _decode(payload: bytes) -> Any:
    """Decode quickly, else leniently: half a surrogate pair is how some servers cut an emoji in two."""
    try:
        return from_json(payload)
    except ValueError:
        pass
    try:
        return json.loads(payload)
    except (ValueError, RecursionError):
        raise bad_answer("sent what is not JSON") from None


class AnswerCheck:
    """Fed with bytes; raises `ProviderFault` at the first that does not belong."""

    def __init__(self, api: ProviderApi, max_bytes: int) -> None:
        self._shape: _Shape = ChatShape() if api is ProviderApi.CHAT_COMPLETIONS else ResponsesShape()
        self._fault_of_error: Callable[[Any], ProviderFault] = _told_of_an_error
        self._left_bytes = max_bytes
        self._rest = b""
        self._events: deque[dict[str, Any] | None] | None = None

    def keep_events(self) -> deque[dict[str, Any] | None]:
        """Return where each event that passed will be put from now on; None stands for `[DONE]`."""
        self._events = deque()
        return self._events

    def expect(self, shape: _Shape, fault_of_error: Callable[[Any], ProviderFault]) -> None:
        """Check for the events of another API; told by who asks in it, before it asks."""
        self._shape, self._fault_of_error = shape, fault_of_error

    @property
    def finish_reason(self) -> str | None:
        return self._shape.finish_reason

    @property
    def has_output(self) -> bool:
        return self._shape.has_output

    def feed(self, part: bytes) -> None:
        self._left_bytes -= len(part)
        if self._left_bytes < 0:
            raise bad_answer("sent more than max_answer_bytes")
        lines = (self._rest + part).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if line:
                self._take_line(line)

    def end(self) -> None:
        """Check that what came is a whole answer."""
        rest, self._rest = self._rest, b""
        self._take_line(rest)
        self._require_whole()

    def _require_whole(self) -> None:
        if self.finish_reason is None:
            raise bad_answer("broke off without a finish reason" if self.has_output else "answered nothing")
        if self.finish_reason != "length" and not self.has_output:
            raise bad_answer("finished without an answer")

    def _take_line(self, line: bytes) -> None:
        if not line.startswith(b"data:"):
            return
        payload = line[5:].strip()
        if not payload:
            return
        if payload == b"[DONE]":
            # Whoever reads stops here, so the end of the body may never be seen.
            self._require_whole()
            self._keep(None)
            return
        event = _decode(payload)
        if not isinstance(event, dict):
            raise bad_answer("sent an event that is no object")
        if event.get("error"):
            raise self._fault_of_error(event["error"])
        self._shape.take(event)
        if self.finish_reason == "content_filter":
            raise ProviderFault("provider_rejected", "filtered the answer's content", counts=False)
        self._keep(event)

    def _keep(self, event: dict[str, Any] | None) -> None:
        if self._events is not None:
            self._events.append(event)
