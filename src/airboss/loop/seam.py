"""The one seam that every model call and every tool call of a run passes.

It knows (job, turn, call). Events go out here, answers are kept here, and what an earlier run of the job
was answered is taken from here in place of asking again.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, NamedTuple

from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseStreamEvent,
    ResponseTextDeltaEvent,
)

from airboss.domain.errors import JobFailure
from airboss.domain.event_types import EventType
from airboss.domain.events import EventDraft, job_event
from airboss.domain.jobs import AnsweredBy, Usage
from airboss.domain.journal import EntryKind, JournalEntry, JournalKey
from airboss.loop.arguments import decode_arguments
from airboss.loop.calls import ModelCall, ToolCall
from airboss.loop.deltas import DeltaCoalescer
from airboss.loop.fingerprint import fingerprint
from airboss.loop.kept_answer import KeptAnswer
from airboss.loop.mending import mend
from airboss.loop.progress import Progress
from airboss.loop.tool_answers import answered, failed, recalled
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.loop import Run
from airboss.ports.tools import Tool, ToolContext, ToolError, ToolUnavailableError

#: Stands for what a call asked that was not made: no call has this hash.
_NOT_CALLED = ""
#: Calls that one answer of a model can start side by side.
_MAX_CALLS_OF_A_TURN = 100
_SHOWN_CHARACTERS = 2000


class _ToolEnd(NamedTuple):
    """How a call ended: what the model reads, the event that tells of it, and why the job cannot go on."""

    answer: str
    kind: EventType
    told: dict[str, Any]
    unavailable: ToolUnavailableError | None = None


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

    async def recall(self, turn: int, request_hash: str) -> Response | None:
        """Return what an earlier run was answered in this turn, if it asked the same.

        Where it asked something else, all that was kept from there on belongs to another conversation: it is
        dropped, said so in an event, and asked anew.
        """
        entry = self._run.journal.recall(JournalKey(EntryKind.MODEL, turn))
        if entry is None or entry.answer is None:
            return None
        if entry.request_hash != request_hash:
            await self._run.journal.forget(turn)
            text = f"step {turn} asks something else than before the interruption: asked anew from there"
            self._emit(EventType.JOB_PROGRESSED, message=text, fraction=None)
            return None
        kept = KeptAnswer.model_validate_json(entry.answer)
        self._place_tool_calls(turn, kept.response)
        self._offset += kept.text_characters
        self._run.report.answered_by = kept.answered_by
        call = ModelCall(turn, kept.provider, kept.model, request_hash)
        self._run.journal.emit([self._answered(call, kept.response, 0.0, replayed=True)])
        return kept.response

    async def model(
        self, call: ModelCall, ask: Callable[[], AsyncIterator[ResponseStreamEvent]]
    ) -> AsyncGenerator[ResponseStreamEvent]:
        """Pass a streamed model call: its text as deltas, its answer kept before it is acted on."""
        began = self._clock.monotonic()
        offset = self._offset
        self._emit(EventType.MODEL_CALLED, provider=call.provider, model=call.model, step=call.turn)
        deltas = DeltaCoalescer(lambda text: self._emit_delta(call.turn, text))
        try:
            asked = ask()
            async with aclosing(asked if isinstance(asked, AsyncGenerator) else _generator(asked)) as stream:
                async for event in stream:
                    if isinstance(event, ResponseTextDeltaEvent):
                        deltas.add(event.delta)
                    elif isinstance(event, ResponseCompletedEvent):
                        deltas.flush()
                        seconds = self._clock.monotonic() - began
                        await self._keep(call, event.response, seconds, self._offset - offset)
                    yield event
        finally:
            deltas.flush()

    async def _keep(
        self, call: ModelCall, response: Response, duration_seconds: float, text_characters: int
    ) -> None:
        """Keep a whole answer on disk before its tool calls start: what was paid for is not asked twice."""
        mend(response)
        self._place_tool_calls(call.turn, response)
        kept = KeptAnswer(
            response=response, provider=call.provider, model=call.model, text_characters=text_characters
        )
        self._run.report.answered_by = AnsweredBy(call.provider, call.model)
        key = JournalKey(EntryKind.MODEL, call.turn)
        # What was not set stays so: read back, the answer must make the same next request.
        entry = JournalEntry(key, call.request_hash, kept.model_dump_json(exclude_unset=True))
        told = self._answered(call, response, duration_seconds, replayed=False)
        await self._run.journal.record(entry, [told], _usage(response))

    def _answered(
        self, call: ModelCall, response: Response, duration_seconds: float, *, replayed: bool
    ) -> EventDraft:
        return self._draft(
            EventType.MODEL_ANSWERED,
            provider=call.provider,
            model=call.model,
            step=call.turn,
            usage=_usage(response).to_dict(),
            duration_seconds=round(duration_seconds, 6),
            finish_reason=_finish_reason(response),
            replayed=replayed,
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
        """Pass a tool call; a failure is an answer too, which the model reads.

        Raises `JobFailure`: `outcome_unknown` where an earlier run began a call that may not be repeated, and
        the tool's own where what is behind it cannot be used.
        """
        key = JournalKey(EntryKind.TOOL, call.turn, call.index)
        request_hash = fingerprint(call.tool, call.arguments_json)
        entry = self._run.journal.recall(key)
        if entry is not None and entry.request_hash == request_hash:
            if entry.answer is not None:
                self._emit_replayed(call, entry.answer)
                return entry.answer
            if not tool.repeatable:
                raise _outcome_unknown(call)
        began = self._clock.monotonic()
        called = self._draft(EventType.TOOL_CALLED, tool=call.tool, call_id=call.call_id, step=call.turn)
        if tool.repeatable:
            self._run.journal.emit([called])
        else:
            # On disk before the effect: after a crash nobody could tell whether it had been.
            await self._run.journal.record(JournalEntry(key, request_hash, None), [called], Usage())
        end = await self._call_tool(call, tool)
        seconds = round(self._clock.monotonic() - began, 6)
        event = self._draft(
            end.kind,
            tool=call.tool,
            call_id=call.call_id,
            step=call.turn,
            duration_seconds=seconds,
            **end.told,
        )
        unavailable = end.unavailable
        if unavailable is None:
            await self._run.journal.record(JournalEntry(key, request_hash, end.answer), [event], Usage())
            return end.answer
        # What never ran is not kept as begun: a later run may call it.
        began_hash = request_hash if unavailable.may_have_run else _NOT_CALLED
        await self._run.journal.record(JournalEntry(key, began_hash, None), [event], Usage())
        raise unavailable.failure

    async def _call_tool(self, call: ToolCall, tool: Tool) -> _ToolEnd:
        job = self._run.job
        progress = Progress(self._emit_progress, self._clock.monotonic)
        try:
            _require_few(call)
            arguments = decode_arguments(call.arguments_json)
            answer = await tool.call(ToolContext(job.id, job.tenant, progress), arguments)
            return _ToolEnd(*answered(call.tool, answer))
        except ToolError as error:
            return _ToolEnd(*failed(call.tool, error))
        except ToolUnavailableError as error:
            told = ToolError(error.failure.error.code, str(error))
            return _ToolEnd(*failed(call.tool, told))._replace(unavailable=error)
        except Exception as error:  # noqa: BLE001 - a tool that breaks must not end what others pay for
            self._log.error("tool.broke", tool=call.tool, job_id=job.id, error=error)
            told = ToolError("tool_failed", f"{call.tool} failed; its server's log has the details")
            return _ToolEnd(*failed(call.tool, told))
        finally:
            progress.close()

    def _emit_progress(self, message: str, fraction: float | None) -> None:
        self._emit(EventType.JOB_PROGRESSED, message=message, fraction=fraction)

    def _emit_replayed(self, call: ToolCall, answer: str) -> None:
        _, kind, told = recalled(answer)
        self._emit(kind, tool=call.tool, call_id=call.call_id, step=call.turn, duration_seconds=0.0, **told)

    def _emit_delta(self, turn: int, text: str) -> None:
        self._emit(EventType.OUTPUT_DELTA, text=text, step=turn, offset=self._offset)
        self._offset += len(text)

    def _emit(self, kind: EventType, **data: Any) -> None:
        self._run.journal.emit([self._draft(kind, **data)])

    def _draft(self, kind: EventType, **data: Any) -> EventDraft:
        return job_event(kind, self._run.job, self._clock.now_ms(), **data)


async def _generator(stream: AsyncIterator[ResponseStreamEvent]) -> AsyncGenerator[ResponseStreamEvent]:
    """Make an iterator closable that is not: the SDK's models are generators, their type does not say so."""
    async for event in stream:
        yield event


def _require_few(call: ToolCall) -> None:
    if call.index >= _MAX_CALLS_OF_A_TURN:
        raise ToolError(
            "too_many_calls", f"only {_MAX_CALLS_OF_A_TURN} calls are made at once: ask for the rest again"
        )


def _outcome_unknown(call: ToolCall) -> JobFailure:
    return JobFailure(
        "outcome_unknown",
        f"{call.tool} was called when the worker was lost, and may not be called twice:"
        " look whether it had its effect, then spawn the job again",
        {
            "tool": call.tool,
            "call_id": call.call_id,
            "step": call.turn,
            "arguments": call.arguments_json[:_SHOWN_CHARACTERS],
        },
    )


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
