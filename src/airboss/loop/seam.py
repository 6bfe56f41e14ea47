"""The one seam that every model call and every tool call of a run passes.

It knows (job, turn, call). Events go out here; what is to happen around a call happens here.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
)

from airboss.domain.event_types import EventType
from airboss.domain.events import job_event
from airboss.domain.jobs import AnsweredBy, Usage, preview
from airboss.domain.text import well_formed
from airboss.loop.calls import ModelCall, ToolCall
from airboss.loop.deltas import DeltaCoalescer
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.loop import Run
from airboss.ports.tools import Tool, ToolContext, ToolDeniedError, ToolError


class Seam:
    """One per run."""

    def __init__(self, run: Run, clock: Clock, log: Log) -> None:
        self._run = run
        self._clock = clock
        self._log = log
        self._turn = 0
        self._offset = 0
        self._places: dict[str, tuple[int, int]] = {}

    def next_turn(self) -> int:
        """Count a model call; a run makes one per turn."""
        self._turn += 1
        return self._turn

    async def model(
        self, call: ModelCall, ask: Callable[[], AsyncIterator[ResponseStreamEvent]]
    ) -> AsyncGenerator[ResponseStreamEvent]:
        """Pass a streamed model call: its text as deltas, its end with usage."""
        began = self._clock.monotonic()
        self._emit(EventType.MODEL_CALLED, provider=call.provider, model=call.model, step=call.turn)
        deltas = DeltaCoalescer(lambda text: self._emit_delta(call.turn, text))
        try:
            async with aclosing(_generator(ask())) as stream:
                async for event in stream:
                    if isinstance(event, ResponseTextDeltaEvent):
                        deltas.add(event.delta)
                    elif isinstance(event, ResponseCompletedEvent):
                        deltas.flush()
                        self._answered(call, event.response, self._clock.monotonic() - began)
                    yield event
        finally:
            deltas.flush()

    def _answered(self, call: ModelCall, response: Response, duration_seconds: float) -> None:
        """Take in a whole answer, before its tool calls start."""
        self._place_tool_calls(call.turn, response)
        usage = _usage(response)
        report = self._run.report
        report.usage = report.usage.plus(usage)
        report.answered_by = AnsweredBy(call.provider, call.model)
        self._emit(
            EventType.MODEL_ANSWERED,
            provider=call.provider,
            model=call.model,
            step=call.turn,
            usage=usage.to_dict(),
            duration_seconds=round(duration_seconds, 6),
            finish_reason=_finish_reason(response),
            replayed=False,
        )

    def _place_tool_calls(self, turn: int, response: Response) -> None:
        """Give each tool call its place, and an id of its own where the model used one twice."""
        calls = [item for item in response.output if isinstance(item, ResponseFunctionToolCall)]
        for index, item in enumerate(calls):
            if not item.call_id or item.call_id in self._places:
                item.call_id = f"{item.call_id or 'call'}_{turn}_{index}"
            self._places[item.call_id] = (turn, index)

    def place(self, call_id: str) -> tuple[int, int]:
        """Return turn and index of a tool call that a model answer asked for."""
        return self._places[call_id]

    async def tool(self, call: ToolCall, tool: Tool) -> str:
        """Pass a tool call; a failure is an answer too, which the model reads."""
        began = self._clock.monotonic()
        self._emit(EventType.TOOL_CALLED, tool=call.tool, call_id=call.call_id, step=call.turn)
        job = self._run.job
        try:
            arguments = _decode_arguments(call.arguments_json)
            answer = await tool.call(ToolContext(job.id, job.tenant), arguments)
        except ToolError as error:
            kind = EventType.TOOL_DENIED if isinstance(error, ToolDeniedError) else EventType.TOOL_FAILED
            self._emit_tool_end(kind, call, began, code=error.code, preview=preview(error.message))
            return f"error: {error.message}"
        except Exception as error:  # noqa: BLE001 - a tool that breaks must not end what others pay for
            self._log.error("tool.broke", tool=call.tool, job_id=job.id, error=error)
            message = f"{call.tool} failed; its server's log has the details"
            self._emit_tool_end(
                EventType.TOOL_FAILED, call, began, code="tool_failed", preview=preview(message)
            )
            return f"error: {message}"
        text = well_formed(answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False))
        self._emit_tool_end(EventType.TOOL_ANSWERED, call, began, preview=preview(text), replayed=False)
        return text

    def _emit_tool_end(self, kind: EventType, call: ToolCall, began: float, **data: Any) -> None:
        duration_seconds = round(self._clock.monotonic() - began, 6)
        self._emit(
            kind,
            tool=call.tool,
            call_id=call.call_id,
            step=call.turn,
            duration_seconds=duration_seconds,
            **data,
        )

    def _emit_delta(self, turn: int, text: str) -> None:
        self._emit(EventType.OUTPUT_DELTA, text=text, step=turn, offset=self._offset)
        self._offset += len(text)

    def _emit(self, kind: EventType, **data: Any) -> None:
        self._run.journal.emit([job_event(kind, self._run.job, self._clock.now_ms(), **data)])


async def _generator(stream: AsyncIterator[ResponseStreamEvent]) -> AsyncGenerator[ResponseStreamEvent]:
    """Make an iterator closable: the SDK's models are generators, their type does not say so."""
    try:
        async for event in stream:
            yield event
    finally:
        if isinstance(stream, AsyncGenerator):
            await stream.aclose()


def _usage(response: Response) -> Usage:
    used = response.usage
    if used is None:
        return Usage(requests=1)
    return Usage(1, used.input_tokens, used.output_tokens)


def _finish_reason(response: Response) -> str:
    if any(isinstance(item, ResponseFunctionToolCall) for item in response.output):
        return "tool_calls"
    details = response.incomplete_details
    return "length" if details is not None and details.reason == "max_output_tokens" else "stop"


def _decode_arguments(text: str) -> dict[str, Any]:
    try:
        arguments = json.loads(text or "{}")
    except (ValueError, RecursionError):
        raise ToolError("invalid_arguments", "the arguments are not JSON") from None
    if not isinstance(arguments, dict):
        raise ToolError("invalid_arguments", "the arguments are not a JSON object")
    return arguments
