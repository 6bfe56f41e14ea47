"""What any provider may do, done over the Messages API: the same table, the same ends."""

import importlib
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support import faulty_provider as faulty
from tests.support import provider_faults
from tests.support.call_bench import call_bench, provider_spec
from tests.support.faulty_provider import Exchange, FaultyProvider, faulty_provider
from tests.support.messages_wire import (
    MESSAGE_STOP,
    MESSAGES,
    message_answer,
    message_delta,
    message_event,
    message_start,
    text_block,
    thinking_block,
    tool_block,
    tool_results,
    whole_message,
)
from tests.support.provider_faults import FAULTS, PROVIDER_TEXT, Fault
from tests.support.wire_answers import APIS, RESPONSES, WireAnswer, wire_answer

from airboss.domain.providers import ProviderKind

AWAY, BAD, REJECTED = "provider_unavailable", "provider_bad_answer", "provider_rejected"
OVERLOADED = {"type": "overloaded_error", "message": PROVIDER_TEXT}


def answer_for(api: str, **fields: Any) -> WireAnswer:
    return message_answer(**fields) if api == MESSAGES else wire_answer(api, **fields)


def wants_tool(exchange: Exchange) -> bool:
    return exchange.body["model"].startswith("tool") and not tool_results(exchange.body)


@pytest.fixture(scope="module")
def provider() -> Iterator[FaultyProvider]:
    """The provider that breaks in every way, speaking the Messages API too."""
    # Loaded before: a second of import within a deadline of half a second would be no fault of theirs.
    importlib.import_module("airboss.providers.anthropic_native.client")
    with pytest.MonkeyPatch.context() as patch, faulty_provider() as running:
        patch.setitem(faulty._PATHS, "/v1/messages", MESSAGES)
        patch.setattr(faulty, "wire_answer", answer_for)
        patch.setattr(provider_faults, "wire_answer", answer_for)
        patch.setattr(Exchange, "wants_tool", property(wants_tool))
        yield running


async def tried(provider: FaultyProvider, fault: Fault, *, tool: bool) -> None:
    """Run one agent against the fault and compare with its row."""
    model = f"{'tool' if tool else 'text'} of {fault.name}"
    provider.plan(model, *fault.steps)
    spec = provider_spec(
        provider.base_url, kind=ProviderKind.ANTHROPIC, timeouts=fault.timeouts, retry=fault.retry
    )
    async with call_bench(spec) as bench:
        outcome = await bench.run(model)
        assert PROVIDER_TEXT not in str(outcome.error)
        assert outcome.code == fault.code, outcome.error
        assert provider.calls(model) == fault.calls + (1 if tool and fault.code is None else 0)
        assert fault.seconds_at_least <= outcome.seconds <= fault.timeouts.total_seconds + 1
        if fault.code is None:
            assert outcome.answer
            assert outcome.recorder.types()[-1] == "model.answered"
        else:
            assert "tool.called" not in outcome.recorder.types()


def trials(faults: Any) -> list[Any]:
    return [
        pytest.param(fault, tool, id=f"{fault.name}-{'tool' if tool else 'text'}")
        for fault in faults
        for tool in ((False, True) if fault.with_tools else (False,))
    ]


#: What happens before the first byte of HTTP has nothing to do with an API.
SHARED = [
    fault
    for fault in FAULTS
    if fault.apis == APIS and fault.address is None and fault.name != "usage of the wrong shape"
]


@pytest.mark.parametrize(("fault", "tool"), trials(SHARED))
async def test_each_fault_ends_as_it_does_on_the_other_wires(
    provider: FaultyProvider, fault: Fault, tool: bool
) -> None:
    await tried(provider, fault, tool=tool)


def stream(*parts: bytes) -> Any:
    async def step(exchange: Exchange) -> None:
        await exchange.stream(*parts)

    return step


async def well(exchange: Exchange) -> None:
    await exchange.stream(message_answer(tool=exchange.wants_tool).whole)


async def cut_behind_the_reason(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.chunk(message_start(), *text_block(0, "Hi"), message_delta("end_turn"))
    exchange.writer.close()


async def stall_behind_the_reason(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.chunk(message_start(), *text_block(0, "Hi"), message_delta("end_turn"))
    await exchange.stay()


error = message_event("error", error=OVERLOADED)
begun = (message_start(), *text_block(0, "Hi")[:2])
OWN = (
    Fault("overloaded in the stream, for ever", (stream(message_start(), error),), AWAY, 3),
    Fault("overloaded in the stream, once", (stream(message_start(), error), well), None, 2),
    Fault("overloaded behind a thought", (stream(message_start(), *thinking_block(0, "s", "hm"), error), well), None, 2),
    Fault("overloaded behind words", (stream(*begun, error),), AWAY, 1),
    Fault("an error that is not known", (stream(message_event("error", error={"type": "new", "message": PROVIDER_TEXT})),), BAD, 1),
    Fault("a request refused in the stream", (stream(message_event("error", error={"type": "invalid_request_error"})),), REJECTED, 1),
    Fault("events without their names", (stream(message_answer().whole.replace(b"event: ", b"x: ")),), BAD, 1),
    Fault("pause_turn", (stream(whole_message(text_block(0, "Hi"), stop_reason="pause_turn")),), BAD, 1),
    Fault("max_tokens before the first word", (stream(whole_message(thinking_block(0, "s", "hm"), stop_reason="max_tokens")),), BAD, 1),
    Fault("an end without words", (stream(whole_message()),), BAD, 1),
    Fault("a block of no message", (stream(*text_block(0, "Hi"), message_delta("end_turn"), MESSAGE_STOP),), BAD, 1),
    Fault("a tool without a name", (stream(whole_message(tool_block(0, "toolu_1", ""), stop_reason="tool_use")),), BAD, 1),
    Fault("cut behind the reason to stop", (cut_behind_the_reason,), None, 1, with_tools=False),
    Fault("stalled behind the reason to stop", (stall_behind_the_reason,), "provider_timeout", 1),
    Fault("an answer is not worse for its bill", (stream(message_answer(usage={"input_tokens": "many", "output_tokens": -1}).whole),), None, 1, with_tools=False),
    Fault("another API's answer", (stream(wire_answer(RESPONSES).whole),), BAD, 1),
)  # fmt: skip


@pytest.mark.parametrize(("fault", "tool"), trials(OWN))
async def test_each_fault_of_its_own_ends_as_documented(
    provider: FaultyProvider, fault: Fault, tool: bool
) -> None:
    await tried(provider, fault, tool=tool)
