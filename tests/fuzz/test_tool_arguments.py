"""Whatever a model writes as the arguments of a call, it reads an answer: never an error of the program."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.fuzz.strategies import ANY_TEXT, ARGUMENTS, OBJECTS, VALUES
from tests.support.clock import FakeClock
from tests.support.jobs import new_agent, new_job
from tests.support.sdk_models import Call, EchoTool, ModelsByName, Recorder, Say, ScriptedModel, bench

from airboss.domain.errors import ERROR_CODES, JobFailure
from airboss.domain.policies import WebPolicy
from airboss.loop.arguments import decode_arguments
from airboss.loop.calls import ToolCall
from airboss.loop.seam import Seam
from airboss.loop.tool_answers import answered, failed, recalled
from airboss.ports.loop import Run, RunReport
from airboss.ports.tools import Tool, ToolDeniedError, ToolError
from airboss.security.guarded_client import GuardedClient
from airboss.tools.files import ListFiles, ReadFile, WriteFile
from airboss.tools.rooted import RootedFolder
from airboss.tools.web import FetchPage

RELAXED = settings(
    max_examples=80,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("fuzzed") / "root"
    root.mkdir()
    (root / "a").write_text("text")
    return root


@pytest.fixture(scope="module")
def tools(root: Path) -> list[Tool]:
    folder = RootedFolder(root)
    web = GuardedClient(WebPolicy((), False, 1, 1000), user_agent="airboss/0.0")
    return [
        ListFiles(folder),
        ReadFile(folder, max_bytes=1000),
        WriteFile(folder, max_bytes=1000),
        FetchPage(web),
    ]


@pytest.fixture(autouse=True)
def _nothing_is_written_beside_the_root(root: Path) -> Iterator[None]:
    yield
    assert [path.name for path in root.parent.iterdir()] == ["root"]


def told(tool: Tool, arguments_json: str) -> tuple[dict[str, Any], Recorder]:
    """Pass one call through the seam; returns what the model reads."""
    recorder = Recorder()
    run = Run(new_job(), new_agent("alpha"), recorder, RunReport())
    seam = Seam(run, FakeClock(), structlog.get_logger())
    text = asyncio.run(seam.tool(ToolCall(1, 0, "call", tool.name, arguments_json), tool))
    text.encode()
    envelope = json.loads(text)
    assert envelope["data_from_tool"] == tool.name
    return envelope, recorder


@given(text=ARGUMENTS)
@RELAXED
def test_any_text_is_an_object_or_a_documented_refusal(text: str) -> None:
    decoded: Any = None
    refused: ToolError | None = None
    try:
        decoded = decode_arguments(text)
    except ToolError as error:
        refused = error
    if refused is None:
        assert isinstance(decoded, dict)
        json.dumps(decoded, allow_nan=False, ensure_ascii=False).encode()
    else:
        assert (refused.code, len(refused.message) < 400) == ("invalid_arguments", True)


@given(text=ARGUMENTS, index=st.integers(0, 3))
@RELAXED
def test_any_text_through_the_seam_is_answered(tools: list[Tool], text: str, index: int) -> None:
    envelope, recorder = told(tools[index], text)
    if "error" in envelope:
        assert envelope["error"]["code"] not in {"tool_failed", "internal"}, envelope
        assert len(envelope["error"]["message"]) <= 4000
    assert recorder.types()[0] == "tool.called"
    assert recorder.types()[1] in {"tool.answered", "tool.failed", "tool.denied"}
    json.dumps([dict(draft.data) for draft in recorder.drafts], ensure_ascii=False).encode()


@given(path=ANY_TEXT, content=ANY_TEXT, index=st.integers(0, 3))
@RELAXED
def test_any_well_formed_arguments_are_answered(
    tools: list[Tool], path: str, content: str, index: int
) -> None:
    tool = tools[index]
    names = tool.parameters["required"]
    given_values = {"path": path, "url": path, "content": content}
    envelope, _ = told(tool, json.dumps({name: given_values[name] for name in names}))
    assert envelope.get("error", {}).get("code") != "tool_failed"


@given(extra=OBJECTS)
@example(extra={"mode": "x"})
@RELAXED
def test_what_is_not_in_the_schema_is_refused_and_nothing_is_coerced(
    tools: list[Tool], extra: dict[str, Any]
) -> None:
    for tool in tools:
        known = set(tool.parameters["properties"])
        assert tool.parameters["additionalProperties"] is False
        assert set(tool.parameters["required"]) == known
        arguments = dict.fromkeys(known, "a") | extra
        if set(extra) <= known and all(isinstance(value, str) for value in extra.values()):
            continue
        envelope, _ = told(tool, json.dumps(arguments))
        assert envelope["error"]["code"] == "invalid_arguments"


@given(value=VALUES, text=ANY_TEXT)
@RELAXED
def test_whatever_a_tool_returns_is_data_in_its_quotes(value: Any, text: str) -> None:
    for result in (value, text):
        try:
            answer = answered("test.echo", result)
        except ValueError:
            continue  # NaN: the seam tells that the tool failed
        envelope = json.loads(answer.text)
        assert set(envelope) == {"data_from_tool", "result"}
        answer.text.encode()
        assert recalled(answer.text).told == {**answer.told, "replayed": True}


@given(code=st.sampled_from(["denied", "busy"]), message=ANY_TEXT, is_denied=st.booleans())
@RELAXED
def test_whatever_a_tool_refuses_is_recalled_as_it_was(code: str, message: str, is_denied: bool) -> None:
    error = (ToolDeniedError if is_denied else ToolError)(code, message)
    answer = failed("test.echo", error)
    again = recalled(answer.text)
    assert (again.kind, again.told) == (answer.kind, {**answer.told, "replayed": True})


@given(text=ANY_TEXT | st.sampled_from(['{"data_from_tool": "x"}', "[]", '{"error": 1}', "1", '""']))
@RELAXED
def test_what_older_versions_kept_is_recalled_too(text: str) -> None:
    assert recalled(text).text == text


@given(
    calls=st.lists(
        st.tuples(st.sampled_from(["test_echo", "files_write"]) | ANY_TEXT, ARGUMENTS, ANY_TEXT),
        min_size=1,
        max_size=4,
    )
)
@example(calls=[("test_echo", '{"x": "\ud800"}', "\ud800"), ("test_echo", "{}", "\ud800")])
@example(calls=[("no\ud800such", "{}", "")])
@example(calls=[("", "", "")])
@example(calls=[("test_echo", '{"x": "\\ud800"}', "a"), ("test_echo", '{"\\udc00": 1}', "a")])
@example(calls=[("test_echo", "[" * 200_000, "a")])
@example(calls=[("test_echo", '{"x":' * 5000 + "1" + "}" * 5000, "a")])
@example(calls=[("test_echo", '{"x": 1e999, "y": NaN}', "a")])
@example(calls=[("test_echo", "{}", "")] * 130)
@example(calls=[("test_echo", "{}", "a" * 100_000)])
@settings(RELAXED, max_examples=30)
def test_any_calls_of_a_model_end_in_an_answer_or_a_documented_failure(
    calls: list[tuple[str, str, str]],
) -> None:
    model = ScriptedModel(Call(calls), Say(["done"]))
    tried = bench(ModelsByName(alpha=model), tools=[EchoTool()])
    code = "completed"
    try:
        assert asyncio.run(tried.answer()) == "done"
    except JobFailure as failure:
        code = failure.error.code
    assert code in {"completed", *ERROR_CODES} - {"internal"}
    json.dumps([dict(draft.data) for draft in tried.recorder.drafts], ensure_ascii=False).encode()
    for entry in tried.recorder.entries.values():
        (entry.answer or "").encode()
    if len(model.inputs) > 1:
        json.dumps(model.inputs[1], ensure_ascii=False, default=str).encode()
