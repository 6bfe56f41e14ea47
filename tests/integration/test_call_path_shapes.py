"""Whatever JSON a provider sends as an answer, a run ends with an answer or a documented code."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.call_bench import call_bench, provider_spec
from tests.support.faulty_provider import Exchange, FaultyProvider, faulty_provider
from tests.support.wire_answers import APIS

from airboss.domain.providers import ProviderApi
from airboss.loop.kept_answer import KeptAnswer

ODD: tuple[Any, ...] = (None, True, -1, 10**30, 1.5, "", "odd", [], [None], ["odd"], {}, {"odd": 1}, [{}])
TRIALS = 150


@pytest.fixture
def provider() -> Iterator[FaultyProvider]:
    with faulty_provider() as running:
        yield running


def events_of(stream: bytes) -> list[Any]:
    lines = [line[6:] for line in stream.split(b"\n") if line.startswith(b"data: {")]
    return [json.loads(line) for line in lines]


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Find every place in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def spoil(events: list[Any], chance: random.Random) -> list[Any]:
    """Change, drop or double one to three places of an answer."""
    spoilt: list[Any] = json.loads(json.dumps(events))
    for _ in range(chance.randint(1, 3)):
        path = chance.choice(list(paths(spoilt)))
        owner = spoilt
        for key in path[:-1]:
            owner = owner[key]
        match chance.choice(["change", "change", "drop", "double"]):
            case "drop":
                del owner[path[-1]]
            case "double" if isinstance(owner, list):
                owner.append(owner[path[-1]])
            case _:
                owner[path[-1]] = chance.choice(ODD)
        if not spoilt:
            break
    return spoilt


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("tool", [False, True])
# The SDK dumps usage as it came.
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
async def test_a_spoilt_answer_is_an_answer_or_a_code(provider: FaultyProvider, api: str, tool: bool) -> None:
    chance = random.Random(f"{api} {tool}")
    sent: list[list[Any]] = []

    async def step(exchange: Exchange) -> None:
        events = events_of(exchange.answer.whole)
        if not exchange.wants_tool and tool:
            await exchange.stream(exchange.answer.whole)
            return
        spoilt = spoil(events, chance)
        sent.append(spoilt)
        done = b"data: [DONE]\n\n" if exchange.api == "chat_completions" else b""
        await exchange.stream(*(b"data: " + json.dumps(event).encode() + b"\n\n" for event in spoilt), done)

    model = "tool" if tool else "text"
    provider.plan(model, step)
    answered = 0
    async with call_bench(provider_spec(provider.base_url, api=ProviderApi(api))) as bench:
        for _ in range(TRIALS):
            try:
                outcome = await bench.run(model, max_turns=3)
            except Exception as error:
                raise AssertionError(f"{error!r} of {sent[-1]}") from error
            assert outcome.answer or outcome.error, sent[-1]
            answered += outcome.answer is not None
            for entry in outcome.recorder.entries.values():
                # What was answered must be readable after a crash.
                if entry.key.kind.value == "model":
                    assert entry.answer is not None
                    try:
                        KeptAnswer.model_validate_json(entry.answer)
                    except ValueError as error:
                        raise AssertionError(f"{error} of {sent[-1]}") from error
    assert 0 < answered < TRIALS
