"""The agent loop on the real SDK: what passes the seam, and that nothing is left behind."""

import asyncio
import json
import threading
from dataclasses import replace
from typing import Any

import pytest
from tests.support.clock import DEADLINE_SECONDS
from tests.support.jobs import new_agent, new_job
from tests.support.sdk_models import (
    Call,
    EchoTool,
    Fail,
    Hang,
    ModelsByName,
    Say,
    ScriptedModel,
    bench,
)

from airboss.domain.errors import JobFailure
from airboss.domain.jobs import AnsweredBy, Usage


def other_tasks() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_text_goes_out_as_deltas_and_comes_back_whole() -> None:
    pieces = ["Hel", "lo ", "you"]
    tried = bench(ModelsByName(alpha=ScriptedModel(Say(pieces))))
    assert await tried.answer() == "Hello you"
    assert tried.recorder.types() == ["model.called", "output.delta", "model.answered"]
    assert tried.recorder.data("output.delta")[0]["text"] == "Hello you"
    assert tried.recorder.usage == Usage(1, 10, 5)
    assert tried.run.report.answered_by == AnsweredBy("offline", "alpha")
    answered = tried.recorder.data("model.answered")[0]
    assert answered["finish_reason"] == "stop"
    assert answered["usage"] == {"requests": 1, "input_tokens": 10, "output_tokens": 5}
    assert not other_tasks()


async def test_what_is_no_text_reaches_the_model_as_json_and_comes_back_as_text() -> None:
    model = ScriptedModel(Say(['{"a": 1}']))
    tried = bench(ModelsByName(alpha=model))
    tried.run = replace(tried.run, job=new_job(input={"question": "naïve?", "since": [2026, None]}))
    assert await tried.answer() == '{"a": 1}'
    (item,) = model.inputs[0]
    assert json.loads(item["content"]) == {"question": "naïve?", "since": [2026, None]}


async def test_long_text_is_split_not_cut_and_offsets_follow_on() -> None:
    text = "ä" * 4500
    tried = bench(ModelsByName(alpha=ScriptedModel(Say([text]))))
    assert await tried.answer() == text
    deltas = tried.recorder.data("output.delta")
    assert [delta["offset"] for delta in deltas] == [0, 2000, 4000]
    assert tried.recorder.text == text


async def test_parallel_tool_calls_run_side_by_side_and_each_has_its_place() -> None:
    gate = asyncio.Event()
    echo = EchoTool(gate)
    calls = Call([("test_echo", {"x": 1}, "a"), ("test_echo", {"x": 2}, "b")])
    model = ScriptedModel(calls, Say(["done"]))
    tried = bench(ModelsByName(alpha=model), tools=[echo])
    answering = asyncio.create_task(tried.answer())
    async with asyncio.timeout(DEADLINE_SECONDS):
        while echo.running < 2:
            echo.changed.clear()
            await echo.changed.wait()
    gate.set()
    assert await answering == "done"
    assert echo.most_running == 2
    assert [(data["tool"], data["call_id"], data["step"]) for data in tried.recorder.data("tool.called")] == [
        ("test.echo", "a", 1),
        ("test.echo", "b", 1),
    ]
    outputs = [item["output"] for item in model.inputs[1] if item.get("type") == "function_call_output"]
    assert outputs == [
        '{"data_from_tool": "test.echo", "result": {"echo": {"x": 1}}}',
        '{"data_from_tool": "test.echo", "result": {"echo": {"x": 2}}}',
    ]
    assert not other_tasks()


async def test_a_call_id_that_comes_twice_is_run_twice() -> None:
    """Some servers call every tool call `call_0`; the SDK would leave the second one out."""
    again = [Call([("test_echo", {"x": 1}, "call_0")]), Call([("test_echo", {"x": 1}, "call_0")])]
    tried = bench(ModelsByName(alpha=ScriptedModel(*again, Say(["done"]))), tools=[EchoTool()])
    assert await tried.answer() == "done"
    ids = [data["call_id"] for data in tried.recorder.data("tool.answered")]
    assert len(ids) == len(set(ids)) == 2


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (("test_echo", "{not json", "a"), "the text of the arguments is not valid JSON"),
        (("test_echo", "[1]", "a"), "the arguments are not a JSON object"),
    ],
)
async def test_bad_arguments_are_told_to_the_model(call: Any, told: str) -> None:
    model = ScriptedModel(Call([call]), Say(["ok"]))
    tried = bench(ModelsByName(alpha=model), tools=[EchoTool()])
    assert await tried.answer() == "ok"
    assert tried.recorder.data("tool.failed")[0]["code"] == "invalid_arguments"
    assert told in str(model.inputs[1])


async def test_an_unknown_tool_is_told_to_the_model() -> None:
    model = ScriptedModel(Call([("no_such", {}, "a")]), Say(["ok"]))
    tried = bench(ModelsByName(alpha=model), tools=[EchoTool()])
    assert await tried.answer() == "ok"
    assert "no_such" in str(model.inputs[1][-1]["output"])


async def test_an_endless_tool_loop_ends_at_max_turns() -> None:
    calls = [Call([("test_echo", {"x": turn}, f"c{turn}")]) for turn in range(5)]
    model = ScriptedModel(*calls)
    tried = bench(ModelsByName(alpha=model), tools=[EchoTool()], max_turns=3)
    with pytest.raises(JobFailure) as failed:
        await tried.answer()
    assert failed.value.error.code == "max_turns"
    assert len(model.inputs) == 3
    assert not other_tasks()


async def test_a_handoff_goes_there_and_back() -> None:
    alpha = ScriptedModel(Call([("transfer_to_beta", {}, "h1")]), Say(["alpha ends"]))
    beta = ScriptedModel(Call([("transfer_to_alpha", {}, "h2")]))
    other = new_agent("beta", model="beta", handoffs=("alpha",))
    tried = bench(ModelsByName(alpha=alpha, beta=beta), agents=[other], handoffs=("beta",))
    assert await tried.answer() == "alpha ends"
    assert [data["model"] for data in tried.recorder.data("model.called")] == ["alpha", "beta", "alpha"]
    assert [data["step"] for data in tried.recorder.data("model.called")] == [1, 2, 3]


async def test_a_model_failure_ends_the_run_as_it_is_and_keeps_the_text_that_came() -> None:
    failure = JobFailure("provider_unavailable", "gone")
    tried = bench(ModelsByName(alpha=ScriptedModel(Fail(failure))))
    with pytest.raises(JobFailure) as failed:
        await tried.answer()
    assert failed.value is failure
    assert not other_tasks()


async def test_a_lone_surrogate_does_not_spoil_the_answer() -> None:
    tried = bench(ModelsByName(alpha=ScriptedModel(Say(["a\ud800b"]))))
    assert await tried.answer() == "a\ufffdb"


async def test_cancelling_in_a_stream_leaves_nothing() -> None:
    hang = Hang()
    tried = bench(ModelsByName(alpha=ScriptedModel(hang)))
    answering = asyncio.create_task(tried.answer())
    async with asyncio.timeout(DEADLINE_SECONDS):
        await hang.started.wait()
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
    assert hang.ended.is_set()
    assert tried.recorder.text == "begun", "what was written before the cancel went out"
    assert not other_tasks()


async def test_cancelling_in_tools_leaves_nothing() -> None:
    echo = EchoTool(asyncio.Event())
    calls = Call([("test_echo", {"x": 1}, "a"), ("test_echo", {"x": 2}, "b")])
    tried = bench(ModelsByName(alpha=ScriptedModel(calls)), tools=[echo])
    answering = asyncio.create_task(tried.answer())
    async with asyncio.timeout(DEADLINE_SECONDS):
        while echo.running < 2:
            echo.changed.clear()
            await echo.changed.wait()
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
    assert echo.running == 0
    assert not other_tasks()


async def test_cancelling_before_the_first_step_leaves_nothing() -> None:
    tried = bench(ModelsByName(alpha=ScriptedModel(Hang())))
    answering = asyncio.create_task(tried.answer())
    await asyncio.sleep(0)
    for _ in range(3):
        answering.cancel()
        await asyncio.sleep(0)
    with pytest.raises(asyncio.CancelledError):
        await answering
    assert not other_tasks()


async def test_no_thread_of_the_sdk_stays() -> None:
    tried = bench(ModelsByName(alpha=ScriptedModel(Say(["hi"]))))
    before = threading.active_count()
    await tried.answer()
    assert threading.active_count() == before
