"""Arguments against schemas that others wrote: what fits, what does not, and what would take for ever."""

import time
from pathlib import Path
from typing import Any

import pytest

from airboss.ports.tools import ToolError
from airboss.tools.argument_check import ArgumentCheck

OBJECT = {"type": "object"}


def refusal(schema: dict[str, Any], arguments: dict[str, Any]) -> ToolError:
    with pytest.raises(ToolError) as refused:
        ArgumentCheck(schema).check(arguments)
    return refused.value


@pytest.mark.parametrize(
    ("schema", "arguments"),
    [
        ({}, {"anything": 1}),
        (OBJECT, {}),
        ({"properties": {"a": {"type": "integer"}}, "required": ["a"]}, {"a": 1}),
        (
            {"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"type": "null"}}},
            {"a": None},
        ),
        ({"$schema": "https://example/nothing", "properties": {"a": {"enum": ["x"]}}}, {"a": "x"}),
        ({"$defs": {"n": {"type": "number"}}, "properties": {"a": {"$ref": "#/$defs/n"}}}, {"a": 1.5}),
        ({"patternProperties": {"^x": {}}, "additionalProperties": False}, {"y": 1}),
        ({"properties": {"a": {"items": {"type": "string"}}}}, {"a": ["x"] * 5000}),
    ],
)
def test_what_fits(schema: dict[str, Any], arguments: dict[str, Any]) -> None:
    ArgumentCheck(schema).check(arguments)


@pytest.mark.parametrize(
    ("schema", "arguments", "said"),
    [
        (
            {"properties": {"a": {"type": "integer"}}},
            {"a": "1"},
            "the arguments do not fit: a: '1' is not of type 'integer'",
        ),
        ({"required": ["a"]}, {}, "the arguments do not fit: arguments: 'a' is a required property"),
        (
            {"properties": {"a": {}}, "additionalProperties": False},
            {"b": 1},
            "the arguments do not fit: arguments: Additional properties are not allowed ('b' was unexpected)",
        ),
        (
            {"properties": {"a": {"items": {"enum": ["x"]}}}},
            {"a": ["x", "y"]},
            "the arguments do not fit: a.1: 'y' is not one of ['x']",
        ),
    ],
)
def test_what_does_not_fit_is_told_to_the_model(
    schema: dict[str, Any], arguments: dict[str, Any], said: str
) -> None:
    refused = refusal(schema, arguments)
    assert (refused.code, refused.message) == ("invalid_arguments", said)


def test_a_refusal_is_bounded() -> None:
    schema = {"properties": {str(number): {"type": "null"} for number in range(100)}}
    refused = refusal(schema, {str(number): "x" * 100_000 for number in range(100)})
    assert len(refused.message) < 4000


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/nowhere"},
        {"$ref": "#"},
        {"type": "nothing"},
        {"required": 5},
        {"properties": 5},
        {"$schema": 5, "properties": 5},
        {"allOf": {}, "minProperties": "x"},
    ],
)
def test_a_schema_that_cannot_be_used_makes_no_call(schema: dict[str, Any]) -> None:
    assert refusal(schema, {"a": 1}).code == "unusable_schema"


# The library would warn, and fetch.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_schema_elsewhere_is_not_fetched(tmp_path: Path) -> None:
    elsewhere = tmp_path / "schema.json"
    elsewhere.write_text("{}")
    assert refusal({"$ref": elsewhere.as_uri()}, {"a": 1}).code == "unusable_schema"


def branching(depth: int) -> dict[str, Any]:
    """A schema of a few kilobytes whose check doubles with each level."""
    levels = {str(level): {"anyOf": [{"$ref": f"#/$defs/{level + 1}"}] * 2} for level in range(depth)}
    return {"$defs": {**levels, str(depth): {"not": {}}}, "properties": {"a": {"$ref": "#/$defs/0"}}}


@pytest.mark.parametrize(
    ("schema", "argument"),
    [
        (branching(20), 1),
        ({"properties": {"a": {"items": {"type": "string"}}}}, ["x"] * 100_000),
    ],
)
def test_a_check_that_would_take_for_ever_is_given_up(schema: dict[str, Any], argument: Any) -> None:
    began = time.perf_counter()
    refused = refusal(schema, {"a": argument})
    assert (refused.code, "too large" in refused.message) == ("invalid_arguments", True)
    assert time.perf_counter() - began < 2, "it would be minutes"


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"pattern": "^(a+)+$"}}},
        {"patternProperties": {"^(a+)+$": {}}, "additionalProperties": False},
        {"propertyNames": {"pattern": "^(a+)+$"}},
        {"patternProperties": {"^(a+)+$": {}}, "unevaluatedProperties": False},
    ],
)
def test_regular_expressions_of_others_are_not_run(schema: dict[str, Any]) -> None:
    began = time.perf_counter()
    ArgumentCheck(schema).check({"a": "a" * 40 + "!", "a" * 40 + "!": 1})
    assert time.perf_counter() - began < 2, "it would be hours"
