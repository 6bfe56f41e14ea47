"""Agents against providers that others wrote: answers, tool calls, their faults, and their verdict on us."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.call_bench import call_bench
from tests.support.peer_trials import LLMOCK_FAULTS, PeerFault, llmock_trial, spec_of
from tests.support.peers import Peer, running_aimock, running_llmock

from airboss.domain.errors import ERROR_CODES
from airboss.domain.jobs import AnsweredBy
from airboss.domain.providers import ProviderApi

TEXT = "Two of three engines run, and that is enough to land."
FIXTURES: dict[str, Any] = {
    "fixtures": [
        {
            "match": {"model": "tool", "hasToolResult": False},
            "response": {"toolCalls": [{"name": "test_echo", "arguments": json.dumps({"x": 1})}]},
        },
        {"match": {"model": "tool", "hasToolResult": True}, "response": {"content": TEXT}},
        {"match": {"model": "text"}, "response": {"content": TEXT}},
    ]
}
in_both_apis = pytest.mark.parametrize("api", list(ProviderApi))


@pytest.fixture(scope="module")
def aimock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with running_aimock(tmp_path_factory.mktemp("aimock"), FIXTURES, "--chunk-size", "7") as peer:
        yield peer


@pytest.fixture(scope="module")
def llmock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    with running_llmock(tmp_path_factory.mktemp("llmock")) as peer:
        yield peer


@in_both_apis
@pytest.mark.parametrize("model", ["text", "tool"])
async def test_aimock_answers(aimock: Peer, api: ProviderApi, model: str) -> None:
    async with call_bench(spec_of(aimock, api)) as bench:
        outcome = await bench.run(model)
        listed = await bench.provider.catalogue.models()
    assert outcome.answer == TEXT, outcome.error
    assert outcome.recorder.text == TEXT
    assert outcome.report.answered_by == AnsweredBy("faulty", model)
    assert outcome.usage.requests == (2 if model == "tool" else 1)
    answered = [data["tool"] for data in outcome.recorder.data("tool.answered")]
    assert answered == (["test.echo"] if model == "tool" else [])
    assert listed.error is None


@in_both_apis
@pytest.mark.parametrize(
    ("chaos", "code", "calls"),
    [
        ("--chaos-drop", "provider_unavailable", 3),
        ("--chaos-malformed", "provider_bad_answer", 1),
        ("--chaos-disconnect", "provider_unavailable", 3),
        # Its Retry-After is longer than the cap of these tests.
        ("--chaos-ratelimit", "provider_rate_limited", 1),
    ],
)
async def test_aimock_breaks_every_call(
    tmp_path: Path, api: ProviderApi, chaos: str, code: str, calls: int
) -> None:
    with running_aimock(tmp_path, FIXTURES, chaos, "1") as peer:
        async with call_bench(spec_of(peer, api)) as bench:
            outcome = await bench.run("text")
    assert outcome.code == code, outcome.error
    assert sum(bench.watch.outcomes.values()) == calls


@in_both_apis
async def test_aimock_breaks_some_calls(tmp_path: Path, api: ProviderApi) -> None:
    chaos = ["--chaos-drop", "0.2", "--chaos-malformed", "0.1", "--chaos-disconnect", "0.1"]
    with running_aimock(tmp_path, FIXTURES, *chaos, "--chaos-latency", "5") as peer:
        async with call_bench(spec_of(peer, api)) as bench:
            outcomes = [await bench.run(model) for model in ("text", "tool") * 20]
    assert {outcome.answer for outcome in outcomes} <= {TEXT, None}
    assert all(outcome.code in ERROR_CODES for outcome in outcomes if outcome.answer is None)
    assert sum(outcome.answer == TEXT for outcome in outcomes) > len(outcomes) / 2


@pytest.mark.parametrize(
    ("fault", "api"),
    [pytest.param(fault, api, id=f"{fault.name}-{api}") for fault in LLMOCK_FAULTS for api in fault.apis],
)
async def test_llmocks_verdict_is_as_expected(llmock: Peer, fault: PeerFault, api: ProviderApi) -> None:
    tried = await llmock_trial(llmock, fault, api)
    assert tried.outcome.code == fault.code, tried.outcome.error
    assert tried.calls == fault.calls
    assert tried.found == fault.found
    if fault.code is None:
        assert tried.outcome.answer
        assert tried.outcome.recorder.data("tool.answered")[0]["tool"] == "test.echo"
