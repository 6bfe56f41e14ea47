"""Agents on the real loop with Anthropic's Messages API behind them, on a socket."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from tests.support import faulty_provider as faulty
from tests.support.api_jobs import ended, spawn
from tests.support.call_bench import KEY, Outcome, call_bench, provider_spec
from tests.support.faulty_provider import Exchange, FaultyProvider, Step, faulty_provider
from tests.support.jobs import new_agent, new_job
from tests.support.messages_wire import (
    MESSAGES,
    message_answer,
    message_delta,
    message_event,
    message_start,
    redacted_block,
    text_block,
    thinking_block,
    tool_block,
    tool_results,
    whole_message,
)
from tests.support.sdk_models import EchoTool, Recorder
from tests.support.server import running_server
from tests.support.wire_answers import ANSWER, CHAT, INPUT_TOKENS, OUTPUT_TOKENS, PIECES, wire_answer

from airboss.domain.errors import JobFailure
from airboss.domain.jobs import AnsweredBy, Usage
from airboss.domain.provider_policies import RetryPolicy, TimeoutPolicy
from airboss.domain.providers import ProviderKind, ProviderSpec
from airboss.loop.sdk_loop import SdkLoop
from airboss.loop.tool_answers import NOTE
from airboss.ports.loop import Run, RunReport
from airboss.providers.anthropic_native import choice
from airboss.providers.anthropic_native.request import DEFAULT_MAX_TOKENS
from airboss.providers.models import ProviderModels
from airboss.tools.registry import ToolRegistry

PATIENT = TimeoutPolicy(connect_seconds=5, attempt_seconds=15, total_seconds=15)
ONCE = RetryPolicy(
    max_attempts=1, base_seconds=0.01, cap_seconds=1, budget_ratio=0.1, budget_floor_per_10_seconds=3
)


@pytest.fixture(scope="module")
def provider() -> Iterator[FaultyProvider]:
    with pytest.MonkeyPatch.context() as patch, faulty_provider() as running:
        patch.setitem(faulty._PATHS, "/v1/messages", MESSAGES)
        yield running


@pytest.fixture(autouse=True)
def forget(provider: FaultyProvider) -> None:
    provider.requests.clear()


def claude(provider: FaultyProvider, **fields: Any) -> ProviderSpec:
    values = {"name": "claude", "kind": ProviderKind.ANTHROPIC, "timeouts": PATIENT, **fields}
    return provider_spec(provider.base_url, **values)


def stream(*parts: bytes) -> Step:
    async def step(exchange: Exchange) -> None:
        await exchange.stream(*parts)

    return step


def say(*pieces: str) -> Step:
    return stream(whole_message(text_block(0, *pieces)))


def use(*blocks: Sequence[bytes]) -> Step:
    return stream(whole_message(*blocks, stop_reason="tool_use"))


def bodies(provider: FaultyProvider) -> list[dict[str, Any]]:
    return [body for _, body in provider.requests]


def answered(outcome: Outcome) -> dict[str, Any]:
    return outcome.recorder.data("model.answered")[-1]


async def run(provider: FaultyProvider, model: str, *steps: Step, **fields: Any) -> Outcome:
    provider.plan(model, *steps)
    async with call_bench(claude(provider)) as bench:
        assert bench.provider.connection.wire == MESSAGES
        return await bench.run(model, **fields)


def echoed(arguments: str) -> str:
    """Return what a model reads of the echo tool."""
    return f'{{"data_from_tool": "test.echo", "result": {{"echo": {arguments}}}}}'


async def test_a_question_and_its_answer(provider: FaultyProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "Authorization: Bearer not-ours\nx-other: other")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "not-ours")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:1")
    outcome = await run(provider, "text", stream(message_answer().whole), instructions="Be brief.")
    assert outcome.answer == ANSWER
    assert outcome.recorder.text == ANSWER
    assert outcome.report.answered_by == AnsweredBy("claude", "text")
    assert answered(outcome)["finish_reason"] == "stop"
    assert answered(outcome)["usage"] == Usage(1, INPUT_TOKENS, OUTPUT_TOKENS).to_dict()
    headers, body = provider.requests[0]
    tool = EchoTool()
    assert body == {
        "model": "text",
        "max_tokens": DEFAULT_MAX_TOKENS,
        "stream": True,
        "system": "Be brief.",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "the question"}]}],
        "tools": [
            {
                "name": "test_echo",
                "description": f"{tool.description} {NOTE}",
                "input_schema": tool.parameters,
            }
        ],
    }
    assert headers["authorization"] == f"Bearer {KEY}"
    assert headers["x-api-key"] == KEY
    assert headers["anthropic-version"] >= "2023-06-01"
    assert headers["accept-encoding"] == "identity"
    assert "not-ours" not in str(headers)
    assert not {"x-other", "traceparent"} & set(headers)


async def test_parallel_tools_and_the_way_back_over_one_connection(provider: FaultyProvider) -> None:
    connections = provider.connections
    outcome = await run(
        provider,
        "parallel",
        use(
            text_block(0, "I look."),
            tool_block(1, "toolu_1", "test_echo", '{"x": ', "1}"),
            tool_block(2, "toolu_2", "test_echo"),
        ),
        say("done"),
    )
    assert outcome.answer == "done"
    assert provider.connections == connections + 1
    assert [data["call_id"] for data in outcome.recorder.data("tool.answered")] == ["toolu_1", "toolu_2"]
    assert outcome.recorder.data("model.answered")[0]["finish_reason"] == "tool_calls"
    question, assistant, results = bodies(provider)[1]["messages"]
    assert question["role"] == "user"
    assert assistant == {
        "role": "assistant",
        "content": [
            {"type": "text", "text": "I look."},
            {"type": "tool_use", "id": "toolu_1", "name": "test_echo", "input": {"x": 1}},
            {"type": "tool_use", "id": "toolu_2", "name": "test_echo", "input": {}},
        ],
    }
    assert results == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": echoed('{"x": 1}')},
            {"type": "tool_result", "tool_use_id": "toolu_2", "content": echoed("{}")},
        ],
    }


async def test_thoughts_go_back_as_they_came(provider: FaultyProvider) -> None:
    outcome = await run(
        provider,
        "thinking",
        use(
            thinking_block(0, "signed", "h", "m"),
            redacted_block(1, "sealed"),
            tool_block(2, "toolu_1", "test_echo", "{}"),
        ),
        say("done"),
    )
    assert outcome.answer == outcome.recorder.text == "done"
    assistant = bodies(provider)[1]["messages"][1]["content"]
    assert assistant[:2] == [
        {"type": "thinking", "thinking": "hm", "signature": "signed"},
        {"type": "redacted_thinking", "data": "sealed"},
    ]
    assert [block["type"] for block in assistant[2:]] == ["tool_use"]


async def test_what_was_thought_between_words_does_not_cost_the_first_ones(provider: FaultyProvider) -> None:
    step = stream(whole_message(text_block(0, "a"), thinking_block(1, "s", "hm"), text_block(2, "b")))
    outcome = await run(provider, "interleaved", step)
    assert outcome.answer == outcome.recorder.text == "ab"


async def test_a_handoff_goes_there_and_back(provider: FaultyProvider) -> None:
    provider.plan("alpha", use(tool_block(0, "h1", "transfer_to_beta")), say("alpha ends"))
    provider.plan("beta", use(tool_block(0, "h2", "transfer_to_alpha", "{}")))
    agents = [
        new_agent("alpha", provider="claude", model="alpha", handoffs=("beta",)),
        new_agent("beta", provider="claude", model="beta", handoffs=("alpha",)),
    ]
    async with call_bench(claude(provider)) as bench:
        loop = SdkLoop(
            agents={agent.name: agent for agent in agents},
            models=ProviderModels(bench.registry),
            tools=ToolRegistry([]),
            clock=bench.clock,
            log=bench.log,
        )
        answer = await loop.run(Run(new_job(input="q"), agents[0], Recorder(), RunReport()))
    assert answer == "alpha ends"
    assert [body["model"] for body in bodies(provider)] == ["alpha", "beta", "alpha"]
    assert [body["tools"][0]["name"] for body in bodies(provider)[:2]] == [
        "transfer_to_beta",
        "transfer_to_alpha",
    ]
    roles = [message["role"] for message in bodies(provider)[2]["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "user"]


async def test_the_length_is_told(provider: FaultyProvider) -> None:
    outcome = await run(provider, "length", stream(message_answer(finish="length").whole))
    assert outcome.answer == ANSWER
    assert answered(outcome)["finish_reason"] == "length"


async def test_a_call_that_was_cut_is_not_run_but_told_to_the_model(provider: FaultyProvider) -> None:
    cut = whole_message(tool_block(0, "toolu_1", "test_echo"), stop_reason="max_tokens")
    outcome = await run(provider, "cut", stream(cut), say("smaller"))
    assert outcome.answer == "smaller"
    assert outcome.recorder.data("tool.failed")[0]["code"] == "invalid_arguments"
    assert '"code": "invalid_arguments"' in tool_results(bodies(provider)[1])[0]["content"]
    assert bodies(provider)[1]["messages"][1]["content"][0]["input"] == {"INVALID_JSON": "{"}


async def test_half_a_character_is_mended_on_its_way_back_too(provider: FaultyProvider) -> None:
    outcome = await run(
        provider,
        "half",
        use(text_block(0, "a\ud83d"), tool_block(1, "toolu_1", "test_echo", '{"x": "\\ud83d"}')),
        say("done\ud83d"),
    )
    assert outcome.answer == "done\ufffd"
    text, call = bodies(provider)[1]["messages"][1]["content"]
    assert (text["text"], call["input"]) == ("a\ufffd", {"x": "\ufffd"})


async def test_tokens_of_the_cache_are_counted(provider: FaultyProvider) -> None:
    counts = {"input_tokens": 5, "cache_creation_input_tokens": 10, "cache_read_input_tokens": 100}
    parts = (message_start(**counts), *text_block(0, "Hi"), message_delta("end_turn", output_tokens=3))
    outcome = await run(provider, "cache", stream(*parts, message_event("message_stop")))
    assert answered(outcome)["usage"] == Usage(1, 115, 3).to_dict()


async def test_a_refusal_is_rejected_once_and_without_its_words(provider: FaultyProvider) -> None:
    outcome = await run(provider, "refusal", stream(message_answer(refusal=True).whole))
    assert outcome.code == "provider_rejected"
    assert provider.calls("refusal") == 1


async def overloaded(exchange: Exchange) -> None:
    body = b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'
    await exchange.document(body, 529)


async def test_an_overload_is_asked_again(provider: FaultyProvider) -> None:
    outcome = await run(provider, "529", overloaded, say("done"))
    assert (outcome.answer, provider.calls("529")) == ("done", 2)


async def test_another_wire_goes_on_where_this_one_stopped(provider: FaultyProvider) -> None:
    """What Anthropic thought and called is told to the provider that stands in."""
    begun = use(thinking_block(0, "signed", "hm"), tool_block(1, "toolu_1", "test_echo", "{}"))

    async def by_chat(exchange: Exchange) -> None:
        await exchange.stream(wire_answer(CHAT).whole)

    provider.plan("shared", begun, overloaded, by_chat)
    other = provider_spec(provider.base_url, name="other", timeouts=PATIENT)
    async with call_bench(claude(provider, fallback=("other",), retry=ONCE), other) as bench:
        outcome = await bench.run("shared")
    assert outcome.answer == ANSWER
    assert outcome.report.answered_by == AnsweredBy("other", "shared")
    messages = bodies(provider)[2]["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool"]
    assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"] == "toolu_1"


async def test_without_the_extra_the_compatible_endpoint_is_asked(
    provider: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "_is_installed", lambda: False)

    async def by_chat(exchange: Exchange) -> None:
        assert exchange.api == CHAT
        await exchange.stream(wire_answer(CHAT).whole)

    provider.plan("compatible", by_chat)
    async with call_bench(claude(provider)) as bench:
        outcome = await bench.run("compatible")
        assert bench.provider.connection.wire == CHAT
    assert outcome.answer == ANSWER


async def hang_first(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.stay()


async def hang_in_the_middle(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.chunk(message_start(), *text_block(0, *PIECES)[:3])
    await exchange.stay()


@pytest.mark.parametrize("hang", [hang_first, hang_in_the_middle])
async def test_a_cancel_closes_the_connection(provider: FaultyProvider, hang: Step) -> None:
    model = hang.__name__
    provider.plan(model, hang)
    async with call_bench(claude(provider)) as bench:
        task = bench.start(model)
        await asyncio.to_thread(provider.wait_called, model, 1)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(provider.wait_aborted, model, 1)
        assert time.monotonic() - began < 1


async def test_a_key_that_cannot_be_read_is_told_before_anything_is_sent(provider: FaultyProvider) -> None:
    async with call_bench(claude(provider, api_key="secret://env/KEY")) as bench:
        bench.provider.connection._read_secret = _unreadable
        outcome = await bench.run("unread")
    assert outcome.code == "provider_auth"
    assert provider.calls("unread") == 0


def _unreadable(_: str) -> str:
    raise JobFailure("provider_auth", "no key")


def test_the_client_library_is_loaded_by_the_first_call_only() -> None:
    program = (
        "import sys, airboss.loop.factory; "
        "assert 'anthropic' not in sys.modules and 'airboss.providers.models' in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_job_of_a_server(provider: FaultyProvider, tmp_path: Any) -> None:
    """The whole way: settings without the version in the address, a job over HTTP, the list of models."""

    async def models(exchange: Exchange) -> None:
        await exchange.document(json.dumps({"data": [{"id": "claude-a", "type": "model"}]}).encode())

    provider.plan("served", say("served"))
    provider.plan(faulty.MODELS, models)
    settings = {
        "providers": {"claude": {"kind": "anthropic", "base_url": provider.base_url.removesuffix("/v1")}},
        "agents": {"helper": {"provider": "claude", "model": "served", "instructions": "Help."}},
    }
    environ = {"ANTHROPIC_API_KEY": KEY}
    with running_server(tmp_path / "server", settings, environ) as server, server.client() as client:
        job = ended(client, spawn(client, "helper")["id"])
        listed = client.get("/v1/providers/claude/models").json()
        assert server.stop() == 0
    assert (job["state"], job["output"]) == ("completed", "served")
    assert job["answered_by"] == {"provider": "claude", "model": "served"}
    assert [model["name"] for model in listed["data"]] == ["claude-a"]
    assert "provider.wire" in server.log
    assert KEY not in server.log
