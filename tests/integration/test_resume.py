"""Resuming: what a run was answered is not asked again, whatever became of its worker."""

import asyncio

import pytest
from tests.support.clock import DEADLINE_SECONDS
from tests.support.jobs import new_agent
from tests.support.sdk_models import Bench, Call, EchoTool, Hang, ModelsByName, Say, ScriptedModel, bench

from airboss.domain.errors import JobFailure
from airboss.domain.jobs import Usage

BOTH = Call([("test_echo", {"x": 1}, "a"), ("test_echo", {"x": 2}, "b")])


class OnceTool(EchoTool):
    """A tool whose effect may not be had twice."""

    name = "test.once"
    repeatable = False


async def cut_off(tried: Bench, hang: Hang) -> None:
    """Let a run come to a model call that hangs, then take its worker away."""
    answering = asyncio.create_task(tried.answer())
    async with asyncio.timeout(DEADLINE_SECONDS):
        await hang.started.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering


def again(tried: Bench, models: ModelsByName, **fields: object) -> Bench:
    """Start a later run of the same job: with its journal, and nothing else of the first."""
    later = bench(models, tools=tried.tools, **fields)  # type: ignore[arg-type]
    later.recorder.entries = dict(tried.recorder.entries)
    return later


async def test_answered_calls_are_not_made_again() -> None:
    hang = Hang()
    echo = EchoTool()
    first = bench(ModelsByName(alpha=ScriptedModel(BOTH, hang)), tools=[echo])
    await cut_off(first, hang)
    model = ScriptedModel(Say(["the end"]))
    later = again(first, ModelsByName(alpha=model))
    assert await later.answer() == "the end"
    assert len(model.inputs) == 1, "the first turn was answered from the journal"
    assert echo.calls == 2, "no tool was called twice"
    assert later.recorder.types()[:4] == [
        "model.answered",
        "tool.answered",
        "tool.answered",
        "model.called",
    ]
    assert [data["replayed"] for data in later.recorder.data("model.answered")] == [True, False]
    assert all(data["replayed"] for data in later.recorder.data("tool.answered"))
    assert later.recorder.usage == Usage(1, 10, 5), "what was kept was paid for before"


async def test_text_starts_again_at_the_offset_of_its_step() -> None:
    hang = Hang()
    talking = Call([("test_echo", {"x": 1}, "a")])
    first = bench(ModelsByName(alpha=ScriptedModel(talking, hang)), tools=[EchoTool()])
    await cut_off(first, hang)
    assert first.recorder.data("output.delta")[0] == {
        **first.recorder.data("output.delta")[0],
        "text": "begun",
        "step": 2,
        "offset": 0,
    }
    later = again(first, ModelsByName(alpha=ScriptedModel(Say(["whole"]))))
    assert await later.answer() == "whole"
    delta = later.recorder.data("output.delta")[0]
    assert (delta["text"], delta["step"], delta["offset"]) == ("whole", 2, 0)


async def test_a_run_that_was_whole_ends_without_a_single_call() -> None:
    first = bench(ModelsByName(alpha=ScriptedModel(BOTH, Say(["done"]))), tools=[EchoTool()])
    assert await first.answer() == "done"
    model = ScriptedModel()
    later = again(first, ModelsByName(alpha=model))
    assert await later.answer() == "done"
    assert model.inputs == []
    assert later.run.report.answered_by == first.run.report.answered_by


async def test_a_changed_agent_is_asked_anew_and_says_so() -> None:
    hang = Hang()
    first = bench(ModelsByName(alpha=ScriptedModel(BOTH, hang)), tools=[EchoTool()])
    await cut_off(first, hang)
    model = ScriptedModel(Say(["other"]))
    later = again(first, ModelsByName(alpha=model), instructions="Be brief.")
    assert await later.answer() == "other"
    assert "asked anew" in later.recorder.data("job.progressed")[0]["message"]
    assert len(later.recorder.entries) == 1, "what belonged to the other conversation is gone"


async def test_a_tool_that_may_not_be_repeated_ends_the_job_when_its_outcome_is_unknown() -> None:
    gate = asyncio.Event()
    once = OnceTool(gate)
    asks = Call([("test_once", {"x": 1, "text": "x" * 5000}, "a")])
    first = bench(ModelsByName(alpha=ScriptedModel(asks)), tools=[once])
    answering = asyncio.create_task(first.answer())
    async with asyncio.timeout(DEADLINE_SECONDS):
        await once.changed.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    later = again(first, ModelsByName(alpha=ScriptedModel()))
    with pytest.raises(JobFailure) as failed:
        await later.answer()
    assert failed.value.error.code == "outcome_unknown"
    assert failed.value.error.details["tool"] == "test.once"
    assert len(failed.value.error.details["arguments"]) == 2000
    assert once.calls == 1


async def test_a_tool_that_may_be_repeated_is_called_again() -> None:
    gate = asyncio.Event()
    echo = EchoTool(gate)
    asks = Call([("test_echo", {"x": 1}, "a")])
    first = bench(ModelsByName(alpha=ScriptedModel(asks)), tools=[echo])
    answering = asyncio.create_task(first.answer())
    async with asyncio.timeout(DEADLINE_SECONDS):
        await echo.changed.wait()
    answering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answering
    gate.set()
    later = again(first, ModelsByName(alpha=ScriptedModel(Say(["done"]))))
    assert await later.answer() == "done"
    assert echo.calls == 2


async def test_a_call_that_was_not_repeatable_and_answered_is_replayed() -> None:
    hang = Hang()
    once = OnceTool()
    asks = Call([("test_once", {"x": 1}, "a")])
    first = bench(ModelsByName(alpha=ScriptedModel(asks, hang)), tools=[once])
    await cut_off(first, hang)
    later = again(first, ModelsByName(alpha=ScriptedModel(Say(["done"]))))
    assert await later.answer() == "done"
    assert once.calls == 1


async def test_handoffs_are_resumed_too() -> None:
    hang = Hang()
    other = new_agent("beta", model="beta")
    alpha = ScriptedModel(Call([("transfer_to_beta", {}, "h")]))
    models = ModelsByName(alpha=alpha, beta=ScriptedModel(hang))
    first = bench(models, agents=[other], handoffs=("beta",))
    await cut_off(first, hang)
    models = ModelsByName(alpha=ScriptedModel(), beta=ScriptedModel(Say(["from beta"])))
    later = again(first, models, agents=[other], handoffs=("beta",))
    assert await later.answer() == "from beta"
