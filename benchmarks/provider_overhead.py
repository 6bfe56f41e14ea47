"""CPU that a call to a provider costs more through Airboss's call path than through the SDK's model alone.

Both ask the same model of the agents SDK over the same in-process transport, which answers with a stream of
20 chunks. What is added: limits, breaker, deadline, retry, checked bytes, events of the run with their
answer kept. Process CPU time per call, medians of rounds in which the two take turns.
"""

import argparse
import asyncio
import gc
import json
import statistics
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx2
import structlog
from agents import Model, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel
from agents.models.interface import ModelTracing
from openai import AsyncOpenAI
from tests.support.call_bench import KEY, RecordingWatch, provider_spec
from tests.support.jobs import new_agent, new_job
from tests.support.wire_answers import CHAT, RESPONSES, wire_answer

from airboss.domain.events import EventDraft
from airboss.domain.jobs import Usage
from airboss.domain.journal import JournalEntry, JournalKey
from airboss.domain.providers import ProviderApi
from airboss.loop.sdk_loop import switch_tracing_off
from airboss.loop.sdk_parts import SeamModel
from airboss.loop.seam import Seam
from airboss.ports.loop import Run, RunReport
from airboss.providers.models import ProviderModels
from airboss.providers.registry import ProviderRegistry
from airboss.resilience.system_clock import SystemClock

CHUNKS = 20
TURN_CALLS = 5
GOAL_US = 100
_BASE_URL = "http://127.0.0.1:1/v1"


class Canned(httpx2.AsyncByteStream):
    """The bytes of an answer, one chunk after the other, as a socket gives them."""

    def __init__(self, chunks: Sequence[bytes]) -> None:
        self._chunks = iter(chunks)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk

    async def aclose(self) -> None:
        pass


class CannedTransport(httpx2.AsyncBaseTransport):
    def __init__(self, api: str) -> None:
        whole = wire_answer(api, pieces=[f"word {number:02d} " for number in range(CHUNKS - 2)])
        self._chunks = (whole.opening, *whole.words, whole.closing + whole.done)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, stream=Canned(self._chunks))


class Discarded:
    """A journal that keeps nothing: writing is not the call path's."""

    def recall(self, key: JournalKey) -> JournalEntry | None:
        return None

    async def record(self, entry: JournalEntry, drafts: Sequence[EventDraft], usage: Usage) -> None:
        pass

    async def forget(self, from_turn: int) -> None:
        pass

    def emit(self, drafts: Sequence[EventDraft]) -> None:
        pass


def direct(api: str) -> Model:
    client = AsyncOpenAI(
        base_url=_BASE_URL,
        api_key=KEY,
        max_retries=0,
        http_client=httpx2.AsyncClient(transport=CannedTransport(api), trust_env=False),
    )
    kind = OpenAIResponsesModel if api == RESPONSES else OpenAIChatCompletionsModel
    return kind(model="m", openai_client=client)


@dataclass
class Ours:
    """The same model behind the call path, and behind the seam of a run too."""

    registry: ProviderRegistry

    @classmethod
    def over(cls, api: str) -> "Ours":
        registry = ProviderRegistry(
            [provider_spec(_BASE_URL, api=ProviderApi(api))],
            read_secret=lambda _: KEY,
            clock=SystemClock(),
            watch=RecordingWatch(),
            log=structlog.get_logger(),
        )
        (provider,) = registry
        provider.connection._transport = CannedTransport(api)  # type: ignore[assignment] # noqa: SLF001
        return cls(registry)

    def path(self) -> Model:
        return ProviderModels(self.registry).candidates("faulty", "m")[0].answers

    def seam(self) -> Callable[[], Model]:
        candidates = ProviderModels(self.registry).candidates("faulty", "m")
        agent, job, clock, log = new_agent(), new_job(), SystemClock(), structlog.get_logger()

        def model() -> Model:
            run = Run(job, agent, Discarded(), RunReport())
            return SeamModel(Seam(run, clock, log), candidates)

        return model


async def ask(model: Model) -> None:
    stream: Any = model.stream_response(
        "Be brief.",
        "How many engines run?",
        ModelSettings(include_usage=True),
        [],
        None,
        [],
        ModelTracing.DISABLED,
        previous_response_id=None,
        conversation_id=None,
        prompt=None,
    )
    kinds = []
    async with aclosing(stream) as events:
        async for event in events:
            kinds.append(event.type)  # noqa: PERF401 - the same for all ways, and it reads plainly
    assert kinds[-1] == "response.completed"


async def cpu_us(model: Callable[[], Model], calls: int) -> float:
    began = time.process_time()
    for _ in range(calls):
        await ask(model())
    return (time.process_time() - began) / calls * 1e6


async def one_round(ways: Mapping[str, Callable[[], Model]], calls: int) -> dict[str, float]:
    """Let the ways take turns every few calls, and return the median turn of each.

    What disturbs the machine for long disturbs all alike, what disturbs it shortly drops out.
    """
    gc.collect()
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(max(1, calls // TURN_CALLS)):
        for name, way in ways.items():
            spent[name].append(await cpu_us(way, TURN_CALLS))
    return {name: statistics.median(turns) for name, turns in spent.items()}


async def measure(api: str, calls: int, rounds: int) -> dict[str, Any]:
    ours = Ours.over(api)
    alone, path = direct(api), ours.path()
    ways: dict[str, Callable[[], Model]] = {
        "sdk": lambda: alone,
        "call_path": lambda: path,
        "with_events": ours.seam(),
    }
    await one_round(ways, calls)
    seen = [await one_round(ways, calls) for _ in range(rounds)]
    medians = {name: statistics.median(each[name] for each in seen) for name in ways}
    added = {
        name: statistics.median(each[name] - each["sdk"] for each in seen)
        for name in ("call_path", "with_events")
    }
    await ours.registry.close()
    return {
        "api": api,
        "chunks": CHUNKS,
        "calls": calls,
        "rounds": rounds,
        "cpu_us": {name: round(value) for name, value in medians.items()},
        "added_us": {name: round(value) for name, value in added.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    switch_tracing_off()
    results = [asyncio.run(measure(api, given.calls, given.rounds)) for api in (CHAT, RESPONSES)]
    if given.json:
        print(json.dumps(results))
        return
    for result in results:
        cpu, added = result["cpu_us"], result["added_us"]
        print(
            f"{result['api']}: the SDK's model {cpu['sdk']} µs; call path +{added['call_path']} µs, "
            f"with events +{added['with_events']} µs (goal {GOAL_US} µs)"
        )


if __name__ == "__main__":
    main()
