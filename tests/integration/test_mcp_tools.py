"""Tools of MCP servers in an agent's run: through the same seam as any tool."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.clock import DEADLINE_SECONDS
from tests.support.jobs import new_agent
from tests.support.scripted_mcp import ScriptedConnections, ScriptedServer, ScriptedTool, remote
from tests.support.sdk_models import (
    Bench,
    Call,
    EchoTool,
    Hang,
    ModelsByName,
    Say,
    ScriptedModel,
    bench,
)

from airboss.domain.errors import JobFailure
from airboss.domain.journal import EntryKind, JournalKey
from airboss.ports.mcp import McpNotSentError, McpToolError, McpUnavailableError, OnProgress
from airboss.tools.mcp_tools import McpTools


def server(*tools: ScriptedTool, broken: str | None = None) -> ScriptedServer:
    return ScriptedServer(list(tools), broken)


def asks(name: str, arguments: Any = None, call_id: str = "a") -> Call:
    return Call([(name, {"x": 1} if arguments is None else arguments, call_id)])


def answering(connections: ScriptedConnections, *steps: Any, **fields: Any) -> tuple[Bench, ScriptedModel]:
    """Let an agent with the servers of the script run."""
    model = ScriptedModel(*steps)
    fields.setdefault("mcp_servers", tuple(connections.servers))
    tried = bench(ModelsByName(alpha=model), more_tools=[McpTools(connections)], **fields)
    return tried, model


def read_by_model(model: ScriptedModel) -> list[Any]:
    """Return what the model was told by its tools: results, and messages of errors."""
    told = [
        json.loads(item["output"]) for item in model.inputs[-1] if item.get("type") == "function_call_output"
    ]
    return [each["result"] if "result" in each else each["error"]["message"] for each in told]


def refused_by_sdk(model: ScriptedModel) -> str:
    """Return what the SDK says of a tool that the agent does not have."""
    (told,) = (item["output"] for item in model.inputs[-1] if item.get("type") == "function_call_output")
    return str(told)


async def test_an_agent_calls_tools_of_its_servers_beside_its_own() -> None:
    connections = ScriptedConnections(
        git=server(ScriptedTool(remote("status"))), time=server(ScriptedTool(remote("now")))
    )
    echo = EchoTool()
    tried, model = answering(
        connections,
        Call([("git_status", {"x": 1}, "a"), ("time_now", {}, "b"), ("test_echo", {"x": 3}, "c")]),
        Say(["done"]),
        tools=[echo],
    )
    assert await tried.answer() == "done"
    assert sorted(connections.calls) == [("git", "status", {"x": 1}), ("time", "now", {})]
    assert read_by_model(model) == [{"echo": {"x": 1}}, {"echo": {}}, {"echo": {"x": 3}}]
    assert [data["tool"] for data in tried.recorder.data("tool.called")] == [
        "git.status",
        "time.now",
        "test.echo",
    ]
    assert {data["tool"] for data in tried.recorder.data("tool.answered")} == {
        "git.status",
        "time.now",
        "test.echo",
    }


async def test_an_agent_has_the_tools_of_its_own_servers_only() -> None:
    connections = ScriptedConnections(
        git=server(ScriptedTool(remote("status"))), other=server(ScriptedTool(remote("x")))
    )
    tried, model = answering(connections, asks("other_x"), Say(["done"]), mcp_servers=("git",))
    assert await tried.answer() == "done"
    assert connections.calls == []
    assert "not found" in refused_by_sdk(model)


async def test_a_handoff_agent_has_its_own_servers() -> None:
    connections = ScriptedConnections(
        git=server(ScriptedTool(remote("status"))), time=server(ScriptedTool(remote("now")))
    )
    beta = new_agent("beta", model="beta", mcp_servers=("time",))
    models = ModelsByName(
        alpha=ScriptedModel(asks("git_status"), Call([("transfer_to_beta", {}, "h")])),
        beta=ScriptedModel(asks("time_now", {}, "b"), asks("git_status", {}, "c"), Say(["done"])),
    )
    tried = bench(
        models, agents=[beta], handoffs=("beta",), mcp_servers=("git",), more_tools=[McpTools(connections)]
    )
    assert await tried.answer() == "done"
    assert [call[:2] for call in connections.calls] == [("git", "status"), ("time", "now")]


async def test_names_that_providers_refuse_are_mapped_and_come_back() -> None:
    odd = "say hello/to: Zoë " + "x" * 80
    connections = ScriptedConnections(git=server(ScriptedTool(remote(odd))))
    tried, _ = answering(connections, Say(["done"]))
    offered: list[str] = []

    class Spy(ScriptedModel):
        async def stream_response(self, *args: Any, **kwargs: Any) -> Any:
            offered[:] = [tool.name for tool in args[3]]
            self._steps = self._steps or [Say(["done"])]
            if not self.inputs:
                self._steps = [asks(offered[0]), Say(["done"])]
            async for event in super().stream_response(*args, **kwargs):
                yield event

    tried = bench(ModelsByName(alpha=Spy()), mcp_servers=("git",), more_tools=[McpTools(connections)])
    assert await tried.answer() == "done"
    assert connections.calls == [("git", odd, {"x": 1})]
    assert tried.recorder.data("tool.called")[0]["tool"] == f"git.{odd}"
    assert len(offered[0]) <= 64


async def test_arguments_that_do_not_fit_are_told_to_the_model_and_not_sent() -> None:
    connections = ScriptedConnections(git=server(ScriptedTool(remote("status"))))
    tried, model = answering(connections, asks("git_status", {"x": "one", "y": 2}), Say(["done"]))
    assert await tried.answer() == "done"
    assert connections.calls == []
    (told,) = read_by_model(model)
    assert "x: 'one' is not of type 'integer'" in told
    assert "'y' was unexpected" in told
    assert tried.recorder.data("tool.failed")[0]["code"] == "invalid_arguments"


async def test_an_error_of_the_tool_is_told_to_the_model() -> None:
    async def fail(arguments: Mapping[str, Any], on_progress: OnProgress) -> Any:
        raise McpToolError("no such branch")

    connections = ScriptedConnections(git=server(ScriptedTool(remote("status"), fail)))
    tried, model = answering(connections, asks("git_status"), Say(["done"]))
    assert await tried.answer() == "done"
    assert read_by_model(model) == ["no such branch"]
    assert tried.recorder.data("tool.failed")[0]["code"] == "tool_failed"


@pytest.mark.parametrize(("idempotent", "warned"), [(True, False), (None, True)])
async def test_a_tool_that_takes_too_long_is_told_to_the_model(idempotent: bool | None, warned: bool) -> None:
    async def never(arguments: Mapping[str, Any], on_progress: OnProgress) -> Any:
        raise TimeoutError

    connections = ScriptedConnections(git=server(ScriptedTool(remote("push", idempotent=idempotent), never)))
    tried, model = answering(connections, asks("git_push"), Say(["done"]))
    assert await tried.answer() == "done"
    assert read_by_model(model)[0].startswith("git.push did not answer within 120 s")
    assert ("may have had its effect" in read_by_model(model)[0]) is warned


async def test_progress_becomes_events_of_the_job() -> None:
    async def report(arguments: Mapping[str, Any], on_progress: OnProgress) -> Any:
        for step in range(5):
            on_progress(f"step {step}", step / 4)
        return "done"

    connections = ScriptedConnections(git=server(ScriptedTool(remote("clone"), report)))
    tried, _ = answering(connections, asks("git_clone"), Say(["done"]))
    assert await tried.answer() == "done"
    told = [(data["message"], data["fraction"]) for data in tried.recorder.data("job.progressed")]
    assert told == [("step 0", 0.0), ("step 4", 1.0)], "at once, then the last word"
    types = tried.recorder.types()
    assert types.index("job.progressed") < types.index("tool.answered")


async def test_a_server_that_cannot_be_used_fails_the_job_and_is_named() -> None:
    connections = ScriptedConnections(git=server(broken="it does not start: exit code 1"))
    tried, model = answering(connections, Say(["never"]))
    with pytest.raises(JobFailure) as failed:
        await tried.answer()
    assert failed.value.error.to_dict() == {
        "code": "mcp_unavailable",
        "type": "tool",
        "message": "the MCP server 'git' cannot be used: it does not start: exit code 1",
        "details": {"server": "git", "reason": "it does not start: exit code 1"},
    }
    assert model.inputs == [], "no model call was paid for"


class Breaking:
    """A tool whose connection breaks in its first calls."""

    def __init__(self, error: Exception, times: int = 1) -> None:
        self.error, self.left, self.calls = error, times, 0

    async def __call__(self, arguments: Mapping[str, Any], on_progress: OnProgress) -> Any:
        self.calls += 1
        if self.left:
            self.left -= 1
            raise self.error
        return "done"


async def test_a_connection_that_breaks_under_a_repeatable_call_is_tried_once_more() -> None:
    breaking = Breaking(McpUnavailableError("it ended"))
    connections = ScriptedConnections(git=server(ScriptedTool(remote("log", read_only=True), breaking)))
    tried, model = answering(connections, asks("git_log"), Say(["done"]))
    assert await tried.answer() == "done"
    assert (breaking.calls, read_by_model(model)) == (2, ["done"])


@pytest.mark.parametrize(
    ("error", "read_only", "calls"),
    [
        (McpUnavailableError("it ended"), None, 1),
        (McpUnavailableError("it ended"), True, 2),
        (McpNotSentError("it ended"), None, 1),
        (McpNotSentError("it ended"), True, 1),
    ],
)
async def test_a_connection_that_stays_broken_ends_the_job(
    error: Exception, read_only: bool | None, calls: int
) -> None:
    breaking = Breaking(error, times=9)
    connections = ScriptedConnections(git=server(ScriptedTool(remote("push", read_only=read_only), breaking)))
    tried, _ = answering(connections, asks("git_push"), Say(["never"]))
    with pytest.raises(JobFailure) as failed:
        await tried.answer()
    assert failed.value.error.code == "mcp_unavailable"
    assert failed.value.error.details == {"server": "git", "reason": "it ended"}
    assert breaking.calls == calls
    assert tried.recorder.data("tool.failed")[0]["code"] == "mcp_unavailable"


def again(tried: Bench, connections: ScriptedConnections, *steps: Any) -> tuple[Bench, ScriptedModel]:
    """Start a later run of the same job, with its journal."""
    later, model = answering(connections, *steps)
    later.recorder.entries = dict(tried.recorder.entries)
    return later, model


async def test_after_a_call_that_was_not_sent_a_later_run_makes_it() -> None:
    breaking = Breaking(McpNotSentError("it is not there"))
    connections = ScriptedConnections(git=server(ScriptedTool(remote("push"), breaking)))
    tried, _ = answering(connections, asks("git_push"), Say(["never"]))
    with pytest.raises(JobFailure):
        await tried.answer()
    later, model = again(tried, connections, Say(["done"]))
    assert await later.answer() == "done"
    assert (breaking.calls, read_by_model(model)) == (2, ["done"])


async def test_after_a_call_that_may_have_had_its_effect_a_later_run_ends() -> None:
    breaking = Breaking(McpUnavailableError("it ended"))
    connections = ScriptedConnections(git=server(ScriptedTool(remote("push"), breaking)))
    tried, _ = answering(connections, asks("git_push"), Say(["never"]))
    with pytest.raises(JobFailure):
        await tried.answer()
    later, _ = again(tried, connections, Say(["never"]))
    with pytest.raises(JobFailure) as failed:
        await later.answer()
    assert failed.value.error.code == "outcome_unknown"
    assert breaking.calls == 1


async def hang(arguments: Mapping[str, Any], on_progress: OnProgress) -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize(("annotations", "code"), [({}, "outcome_unknown"), ({"idempotent": True}, None)])
async def test_the_annotations_decide_what_becomes_of_a_call_in_flight(
    annotations: dict[str, Any], code: str | None
) -> None:
    tool = ScriptedTool(remote("push", **annotations), hang)
    connections = ScriptedConnections(git=server(tool))
    tried, _ = answering(connections, asks("git_push"))
    await cut_off_in_call(tried, connections)
    assert tried.recorder.entries.get(JournalKey(EntryKind.TOOL, 1)) is None or code is not None
    tool.behaviour = None
    later, _ = again(tried, connections, Say(["done"]))
    if code is None:
        assert await later.answer() == "done"
        assert len(connections.calls) == 2
        return
    with pytest.raises(JobFailure) as failed:
        await later.answer()
    assert failed.value.error.code == code
    assert failed.value.error.details["tool"] == "git.push"
    assert len(connections.calls) == 1


async def cut_off_in_call(tried: Bench, connections: ScriptedConnections) -> None:
    answer = asyncio.create_task(tried.answer())
    await connections.until_calling()
    async with asyncio.timeout(DEADLINE_SECONDS):
        answer.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answer
    assert connections.running == 0, "the call ended with its job"


async def test_a_list_of_tools_that_changed_is_told_and_asked_anew() -> None:
    git = server(ScriptedTool(remote("log", read_only=True)))
    connections = ScriptedConnections(git=git)
    held = Hang()
    tried, _ = answering(connections, asks("git_log"), held)
    answer = asyncio.create_task(tried.answer())
    async with asyncio.timeout(DEADLINE_SECONDS):
        await held.started.wait()
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer
    git.tools.append(ScriptedTool(remote("new")))
    later, model = again(tried, connections, Say(["other"]))
    assert await later.answer() == "other"
    assert len(model.inputs) == 1
    assert "asked anew" in later.recorder.data("job.progressed")[0]["message"]


async def test_another_order_of_the_same_tools_is_no_change() -> None:
    git = server(ScriptedTool(remote("a", read_only=True)), ScriptedTool(remote("b", read_only=True)))
    connections = ScriptedConnections(git=git)
    held = Hang()
    tried, _ = answering(connections, asks("git_a"), held)
    answer = asyncio.create_task(tried.answer())
    async with asyncio.timeout(DEADLINE_SECONDS):
        await held.started.wait()
    answer.cancel()
    with pytest.raises(asyncio.CancelledError):
        await answer
    git.tools.reverse()
    later, _ = again(tried, connections, Say(["done"]))
    assert await later.answer() == "done"
    assert len(connections.calls) == 1, "what was answered is not asked again"
    assert later.recorder.data("job.progressed") == []


# -- mcp.call -----------------------------------------------------------------------------------------


def generic(connections: ScriptedConnections, arguments: Any, *servers: str) -> tuple[Bench, ScriptedModel]:
    return answering(
        connections, asks("mcp_call", arguments), Say(["done"]), tool_names=("mcp.call",), mcp_servers=servers
    )


async def test_the_generic_tool_is_off_unless_it_is_named() -> None:
    connections = ScriptedConnections(git=server(ScriptedTool(remote("log"))))
    tried, model = answering(connections, asks("mcp_call", {"server": "git", "tool": "log"}), Say(["done"]))
    assert await tried.answer() == "done"
    assert "not found" in refused_by_sdk(model)
    assert connections.calls == []


async def test_the_generic_tool_calls_any_tool_of_the_agents_servers() -> None:
    connections = ScriptedConnections(git=server(ScriptedTool(remote("log"))))
    tried, model = generic(connections, {"server": "git", "tool": "log", "arguments": {"x": 1}}, "git")
    assert await tried.answer() == "done"
    assert connections.calls == [("git", "log", {"x": 1})]
    assert read_by_model(model) == [{"echo": {"x": 1}}]


@pytest.mark.parametrize(
    ("arguments", "kind", "code", "said"),
    [
        (
            {"server": "other", "tool": "log"},
            "tool.denied",
            "server_not_allowed",
            "no MCP server 'other'; it has git",
        ),
        ({"server": "git", "tool": "push"}, "tool.failed", "unknown_tool", "no tool 'push'; there are: log"),
        (
            {"server": "git", "tool": "log", "arguments": {"x": "1"}},
            "tool.failed",
            "invalid_arguments",
            "x: '1' is not of type 'integer'",
        ),
        ({"server": "git"}, "tool.failed", "invalid_arguments", "'tool' is a required property"),
    ],
)
async def test_what_the_generic_tool_refuses(
    arguments: dict[str, Any], kind: str, code: str, said: str
) -> None:
    connections = ScriptedConnections(
        git=server(ScriptedTool(remote("log"))), other=server(ScriptedTool(remote("log")))
    )
    tried, model = generic(connections, arguments, "git")
    assert await tried.answer() == "done"
    assert connections.calls == []
    assert tried.recorder.data(kind)[0]["code"] == code
    assert said in read_by_model(model)[0]
