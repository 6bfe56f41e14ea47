"""Models of the agents SDK that answer from a script, and a run to put them in."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import structlog
from agents import Model
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseFunctionToolCall,
    ResponseOutputMessage,
    ResponseOutputText,
    ResponseTextDeltaEvent,
    ResponseUsage,
)
from openai.types.responses.response_usage import InputTokensDetails, OutputTokensDetails
from tests.support.clock import FakeClock
from tests.support.jobs import new_agent, new_job

from airboss.domain.agents import AgentSpec
from airboss.domain.events import EventDraft
from airboss.domain.jobs import Usage
from airboss.domain.journal import JournalEntry, JournalKey
from airboss.loop.sdk_loop import SdkLoop
from airboss.ports.loop import Run, RunReport
from airboss.ports.tools import Tool, ToolContext, ToolSource
from airboss.providers.models import Candidate
from airboss.tools.registry import ToolRegistry
from airboss.tools.sources import ToolSources


@dataclass
class Say:
    """Answer with text, in pieces."""

    pieces: Sequence[str]


@dataclass
class Call:
    """Ask for tool calls: (wire name, arguments as text or value, call id)."""

    calls: Sequence[tuple[str, Any, str]]


@dataclass
class Hang:
    """Send one piece, then nothing."""

    started: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Fail:
    error: Exception


Step = Say | Call | Hang | Fail


class ScriptedModel(Model):
    """Takes one step per model call and keeps what it was given."""

    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.inputs: list[list[Any]] = []

    async def get_response(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        given = args[1]
        self.inputs.append(given if isinstance(given, list) else [{"role": "user", "content": given}])
        step = self._steps.pop(0)
        match step:
            case Say(pieces):
                for piece in pieces:
                    yield _delta(piece)
                yield _completed([_message("".join(pieces))])
            case Call(calls):
                yield _completed([_call(*call) for call in calls])
            case Hang(started, ended):
                yield _delta("begun")
                started.set()
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.set()
            case Fail(error):
                raise error


class ModelsByName:
    """Stands in for the providers: the model's name picks the script."""

    def __init__(self, **models: Model) -> None:
        self._models = models

    def candidates(self, provider: str, model: str) -> list[Candidate]:
        return [Candidate(provider, model, self._models[model])]


class EchoTool:
    """Answers with its arguments; `gate` holds every call until it is set."""

    name = "test.echo"
    description = "Echo."
    parameters: ClassVar[dict[str, Any]] = {
        "type": "object",
        "properties": {"x": {}},
        "additionalProperties": False,
    }
    repeatable = True

    def __init__(self, gate: asyncio.Event | None = None) -> None:
        self._gate = gate
        self.calls = 0
        self.running = 0
        self.most_running = 0
        self.changed = asyncio.Event()

    async def call(self, context: ToolContext, arguments: Any) -> Any:
        self.calls += 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        self.changed.set()
        try:
            if self._gate is not None:
                await self._gate.wait()
            return {"echo": dict(arguments)}
        finally:
            self.running -= 1


class Recorder:
    """A run's journal that keeps the drafts."""

    def __init__(self) -> None:
        self.drafts: list[EventDraft] = []
        self.entries: dict[JournalKey, JournalEntry] = {}
        self.usage = Usage()

    def emit(self, drafts: Sequence[EventDraft]) -> None:
        self.drafts += drafts

    def recall(self, key: JournalKey) -> JournalEntry | None:
        return self.entries.get(key)

    async def record(self, entry: JournalEntry, drafts: Sequence[EventDraft], usage: Usage) -> None:
        self.entries[entry.key] = entry
        self.drafts += drafts
        self.usage = self.usage.plus(usage)

    async def forget(self, from_turn: int) -> None:
        self.entries = {key: entry for key, entry in self.entries.items() if key.turn < from_turn}

    def types(self) -> list[str]:
        return [draft.type.value for draft in self.drafts]

    def data(self, kind: str) -> list[dict[str, Any]]:
        return [dict(draft.data) for draft in self.drafts if draft.type == kind]

    @property
    def text(self) -> str:
        return "".join(data["text"] for data in self.data("output.delta"))


@dataclass
class Bench:
    """A loop with scripted models, ready to run one job."""

    loop: SdkLoop
    run: Run
    recorder: Recorder
    tools: Sequence[Tool]

    async def answer(self) -> Any:
        return await self.loop.run(self.run)


def bench(
    models: ModelsByName,
    *,
    agents: Sequence[AgentSpec] = (),
    tools: Sequence[Tool] = (),
    more_tools: Sequence[ToolSource] = (),
    **fields: Any,
) -> Bench:
    names = (*(tool.name for tool in tools), *fields.pop("tool_names", ()))
    agent = new_agent("alpha", model="alpha", tools=names, **fields)
    specs = {spec.name: spec for spec in (agent, *agents)}
    loop = SdkLoop(
        agents=specs,
        models=models,
        tools=ToolSources(ToolRegistry(tools), *more_tools),
        clock=FakeClock(),
        log=structlog.get_logger(),
    )
    recorder = Recorder()
    run = Run(new_job(input="the question"), agent, recorder, RunReport())
    return Bench(loop, run, recorder, tools)


def _delta(text: str) -> ResponseTextDeltaEvent:
    return ResponseTextDeltaEvent(
        type="response.output_text.delta",
        item_id="m",
        output_index=0,
        content_index=0,
        delta=text,
        logprobs=[],
        sequence_number=0,
    )


def _message(text: str) -> ResponseOutputMessage:
    return ResponseOutputMessage(
        id="m",
        type="message",
        role="assistant",
        status="completed",
        content=[ResponseOutputText(type="output_text", text=text, annotations=[])],
    )


def _call(name: str, arguments: Any, call_id: str) -> ResponseFunctionToolCall:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return ResponseFunctionToolCall(type="function_call", name=name, arguments=text, call_id=call_id)


def _completed(output: list[Any]) -> ResponseCompletedEvent:
    usage = ResponseUsage(
        input_tokens=10,
        output_tokens=5,
        total_tokens=15,
        input_tokens_details=InputTokensDetails(cached_tokens=0, cache_write_tokens=0),
        output_tokens_details=OutputTokensDetails(reasoning_tokens=0),
    )
    response = Response(
        id="r",
        created_at=0,
        model="scripted",
        object="response",
        output=output,
        parallel_tool_calls=True,
        tool_choice="auto",
        tools=[],
        status="completed",
        usage=usage,
    )
    return ResponseCompletedEvent(type="response.completed", response=response, sequence_number=0)
