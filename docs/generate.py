# ruff: noqa: INP001 - a script beside the pages it writes, not a package
"""Writes docs/reference/ and the diagram of states from the code; `--check` only tells what is out of date."""

import ast
import asyncio
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import typer
from prometheus_client.parser import text_string_to_metric_families
from pydantic_core import PydanticUndefined

from airboss.api.rates.rates import NoRateLimits
from airboss.app.create import create_app
from airboss.cli.exit_codes import MEANINGS, ExitCode
from airboss.cli.main import app as command_line
from airboss.config import AppSettings
from airboss.config.environment import variable_of
from airboss.config.runtime_config import to_runtime_config
from airboss.config.tree import PLACEHOLDER, key_at, known_paths
from airboss.domain.error_texts import ERROR_TEXTS
from airboss.domain.errors import ERROR_CODES
from airboss.domain.event_types import CATALOGUE, EventType
from airboss.domain.events import Event
from airboss.domain.principals import Role
from airboss.domain.states import EDGES, FINAL_STATES, final_event
from airboss.runtime.runtime import Runtime
from airboss.telemetry.logs import configure_logs

DOCS = Path(__file__).resolve().parent
SOURCE = DOCS.parent / "src" / "airboss"
HEAD = (
    "<!-- Written by docs/generate.py: change the code, then run `.venv/bin/python docs/generate.py`. -->\n"
)
END = "<!-- end of generated -->"
NOT_YET = "not yet"

EVENT_MEANINGS = {
    "job.spawned": "The job is on disk.",
    "job.started": "A worker has it.",
    "job.progressed": "A tool says how far it is.",
    "job.interrupted": "It goes back to the queue: the server drains, or its process died.",
    "job.retry_scheduled": "It starts again later, for an error its agent names in `retry_on`.",
    "job.waiting": "It needs a person.",
    "job.resumed": "It goes on after waiting.",
    "job.cancel_requested": "Someone asked to cancel it.",
    "job.completed": "It has an answer.",
    "job.failed": "It ended with an error.",
    "job.timed_out": "It ran, or waited for its first start, for as long as it may.",
    "job.cancelled": "It was cancelled.",
    "job.pruned": "Retention removed it.",
    "output.delta": "Text of the answer, gathered for about 50 ms.",
    "model.called": "A model call begins.",
    "model.answered": "A model call ended with an answer.",
    "tool.called": "A tool call begins.",
    "tool.answered": "A tool call ended with an answer.",
    "tool.failed": "A tool call failed; the model reads why.",
    "tool.denied": "A tool call was refused; the model reads why.",
    "provider.throttled": "A provider asks to slow down.",
    "provider.breaker_opened": "A provider is left alone.",
    "provider.breaker_half_opened": "A provider is probed.",
    "provider.breaker_closed": "A provider is used again.",
    "mcp.server_created": "An MCP server was added.",
    "mcp.server_updated": "An MCP server was changed.",
    "mcp.server_deleted": "An MCP server was removed.",
    "mcp.server_started": "An MCP server runs.",
    "mcp.server_stopped": "An MCP server was stopped.",
    "mcp.server_failed": "An MCP server failed.",
    "queue.paused": "No more jobs of an agent are started.",
    "queue.resumed": "Jobs of an agent are started again.",
    "node.joined": "The server has started.",
    "node.draining": "The server takes no new work.",
    "node.left": "The server stops.",
}


def main(arguments: Sequence[str]) -> int:
    """Write what is out of date; with `--check` write nothing and return 1 where something is."""
    unknown = [argument for argument in arguments if argument != "--check"]
    if unknown:
        sys.stderr.write(f"unknown argument {unknown[0]}; there is --check\n")
        return 2
    configure_logs(log_format="json", level="error", stream=sys.stderr)
    wanted = pages()
    old = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    for path in old:
        sys.stdout.write(
            f"{'out of date' if '--check' in arguments else 'written'}: {path.relative_to(DOCS)}\n"
        )
    if "--check" in arguments:
        return 1 if old else 0
    (DOCS / "reference").mkdir(exist_ok=True)
    for path, text in wanted.items():
        path.write_text(text)
    return 0


def pages() -> Mapping[Path, str]:
    """Return every generated page with the text it should have."""
    openapi, metrics = asyncio.run(_ask_the_application())
    reference = DOCS / "reference"
    concepts, decisions = DOCS / "concepts.md", DOCS / "adr" / "README.md"
    return {
        reference / "settings.md": HEAD + settings_page(),
        reference / "events.md": HEAD + events_page(),
        reference / "errors.md": HEAD + errors_page(),
        reference / "http.md": HEAD + http_page(openapi),
        reference / "metrics.md": HEAD + metrics_page(metrics),
        reference / "cli.md": HEAD + cli_page(),
        concepts: _with_part(concepts.read_text(), "states", states_diagram()),
        decisions: _with_part(decisions.read_text(), "decisions", decisions_table()),
    }


async def _ask_the_application() -> tuple[dict[str, Any], str]:
    """Build the application as it is served, and take its OpenAPI document and a scrape."""
    settings = AppSettings.model_validate({"storage": {"url": "memory://"}})
    runtime = Runtime(to_runtime_config(settings, {}, DOCS), lambda reference: reference)
    metrics = runtime.metrics
    identity = (1, "job.completed", 0, "node", "default", "job", "offline")
    metrics.on_event(Event(*identity, '{"duration_seconds":1}'))
    metrics.observe_request("GET", 200, 0.0)
    metrics.observe_provider_call("openai", "ok", 0.0)
    metrics.set_breaker_state("openai", "model", "closed")
    metrics.observe_mcp_call("git", "ok", 0.0)
    transport = httpx2.ASGITransport(app=create_app(runtime, NoRateLimits()))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        openapi = (await client.get("/openapi.json")).json()
        scrape = (await client.get("/metrics")).text
    return openapi, scrape


# -- settings ---------------------------------------------------------------------------------------


def settings_page() -> str:
    lines = [
        "# Settings",
        "",
        (
            "Lowest to highest: default, YAML file (`--config`, else `AIRBOSS_CONFIG`, else `./airboss.yaml`),"
            " environment, flags. Unknown keys and unknown `AIRBOSS_*` variables are errors. `NAME` stands for a"
            " name of your choice. [Limits](../limits.md#settings-that-do-nothing-yet) lists the settings that this"
            " version refuses or ignores."
        ),
    ]
    for section, paths in _by_section(known_paths()).items():
        lines += ["", f"## {section}", "", "| Key | Must be | Default | |", "|---|---|---|---|"]
        for path in paths:
            key, field = key_at(path), _field(path)
            if key is None or field is None:
                continue
            text = f"{field.description}<br>`{variable_of(path)}`"
            lines.append(f"| `{'.'.join(path)}` | {_cell(key.wording)} | {_default(field)} | {_cell(text)} |")
    return "\n".join(lines) + "\n"


def _by_section(paths: Iterable[tuple[str, ...]]) -> dict[str, list[tuple[str, ...]]]:
    sections: dict[str, list[tuple[str, ...]]] = {}
    for path in paths:
        key = key_at(path)
        if len(path) > 1 and key is not None and key.model is None and path[-1] != PLACEHOLDER:
            sections.setdefault(path[0], []).append(path)
    return sections


def _field(path: tuple[str, ...]) -> Any:
    parent = key_at(path[:-1])
    return parent.model.model_fields[path[-1]] if parent and parent.model else None


def _default(field: Any) -> str:
    if field.default is PydanticUndefined:
        factory = field.default_factory
        return (
            "" if factory is None or field.default_factory_takes_validated_data else f"`{_json(factory())}`"
        )
    return f"`{_json(field.default)}`"


def _json(value: Any) -> str:
    plain = int(value) if isinstance(value, float) and value.is_integer() else value
    return json.dumps(plain, default=str, ensure_ascii=False)


# -- events and errors ------------------------------------------------------------------------------


def events_page() -> str:
    written = _written_events()
    lines = [
        "# Events",
        "",
        (
            "Each event is a CloudEvents 1.0 JSON object; this is what stands in its `data`, besides `job_id`,"
            " `agent`, `attempt` and `correlation_id` where there is a job. Consumers ignore what they do not know."
            f" Types marked *{NOT_YET}* are in the catalogue and are not written by this version."
        ),
        "",
        "| Type | When | In `data` | |",
        "|---|---|---|---|",
    ]
    for kind, fields in CATALOGUE.items():
        names = ", ".join(f"`{name}`" for name in fields)
        mark = "" if kind in written else NOT_YET
        lines.append(f"| `{kind.value}` | {EVENT_MEANINGS[kind.value]} | {names} | {mark} |")
    lines += [
        "",
        'An event that would be larger than `events.max_bytes` is cut and says `"truncated": true`.',
        "",
        "## Moves of a job",
        "",
        "| From | To | Event |",
        "|---|---|---|",
    ]
    for edge in EDGES:
        lines.append(f"| {edge.source or ''} | {edge.target} | `{edge.event}` |")
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    raised = _raised_codes()
    lines = [
        "# Errors",
        "",
        (
            "`code` is stable, `message` is for people. Codes with a status answer a request; the others stand in"
            f" the `error` of a job. Codes marked *{NOT_YET}* are reserved and never met in this version."
        ),
        "",
        "| Code | Type | Status | Meaning | What to do | |",
        "|---|---|---|---|---|---|",
    ]
    for code, spec in ERROR_CODES.items():
        status = "" if spec.status is None else spec.status
        mark = "" if code in raised else NOT_YET
        meaning, advice = ERROR_TEXTS[code]
        lines.append(f"| `{code}` | `{spec.type.value}` | {status} | {meaning} | {advice} | {mark} |")
    return "\n".join(lines) + "\n"


def _trees(*left_out: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).as_posix()
        if not name.startswith(left_out):
            yield name, ast.parse(path.read_text())


def _raised_codes() -> set[str]:
    """Find the codes that errors are made with: constants in the first argument of what makes them."""
    makers = {"AirbossError", "JobError", "JobFailure", "ProviderFault", "envelope"}
    found = set()
    for _, tree in _trees("domain/errors.py"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and node.args and _called(node) in makers:
                constants = [each.value for each in ast.walk(node.args[0]) if isinstance(each, ast.Constant)]
                found |= {value for value in constants if value in ERROR_CODES}
    return found


def _called(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _written_events() -> set[EventType]:
    """Find the types that something drafts: named outside of the catalogue and its readers, or by a lifecycle."""
    written = set()
    lifecycles: dict[str, set[EventType]] = {}
    used: set[str] = set()
    for name, tree in _trees("domain/event_types.py", "domain/states.py", "telemetry/", "api/"):
        if name == "domain/lifecycle.py":
            for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
                lifecycles[function.name] = _types_named(function)
            continue
        written |= _types_named(tree)
        used |= set(_attributes(tree, "lifecycle"))
    for function_name in used & lifecycles.keys():
        written |= lifecycles[function_name]
    if "ended" in used:
        written |= {final_event(state) for state in FINAL_STATES}
    return written


def _attributes(tree: ast.AST, owner: str) -> Iterator[str]:
    """Yield each NAME of `owner.NAME`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == owner:
            yield node.attr


def _types_named(tree: ast.AST) -> set[EventType]:
    return {EventType[name] for name in _attributes(tree, "EventType")}


# -- HTTP, metrics, command line --------------------------------------------------------------------


def http_page(openapi: Mapping[str, Any]) -> str:
    lines = [
        "# HTTP routes",
        "",
        (
            "From the OpenAPI document, which the server gives at `/openapi.json` and draws at `/docs`. The rule is"
            " the weakest role that may call the route; `open` needs none. With `auth.mode: off` every caller is an admin."
        ),
        "",
        "| Route | | Rule | Answers |",
        "|---|---|---|---|",
    ]
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            answers = ", ".join(sorted(operation["responses"]))
            rule = operation["x-airboss-rule"]
            lines.append(f"| `{method.upper()} {path}` | {operation['summary']} | {rule} | {answers} |")
    lines += ["", "Not in the document: `GET /ui/` and its assets, `GET /docs`, `GET /openapi.json`."]
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            lines += _operation(openapi, f"{method.upper()} {path}", operation)
    return "\n".join(lines) + "\n"


def _operation(openapi: Mapping[str, Any], title: str, operation: Mapping[str, Any]) -> Iterator[str]:
    parameters = [each for each in operation.get("parameters", []) if each["in"] != "path"]
    body = operation.get("requestBody")
    if not parameters and not body:
        return
    yield from ("", f"## {title}", "")
    if parameters:
        yield from ("| Parameter | In | Must be | |", "|---|---|---|---|")
        for parameter in parameters:
            text = parameter.get("description") or parameter["schema"].get("description", "")
            shape = _shape(openapi, parameter["schema"])
            yield f"| `{parameter['name']}` | {parameter['in']} | {_cell(shape)} | {_cell(text)} |"
    if body:
        schema = _resolved(openapi, body["content"]["application/json"]["schema"])
        if parameters:
            yield ""
        yield from ("| Body field | Must be | |", "|---|---|---|")
        for name, field in schema["properties"].items():
            needed = "" if name in schema.get("required", ()) else "; may be left out"
            text = field.get("description", "")
            yield f"| `{name}` | {_cell(_shape(openapi, field) + needed)} | {_cell(text)} |"
        example = schema["examples"][-1]
        yield from ("", "```json", json.dumps(example, indent=2, ensure_ascii=False), "```")


def _resolved(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref")
    return openapi["components"]["schemas"][reference.rpartition("/")[2]] if reference else schema


_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters or fewer",
    "pattern": "matching `{}`",
    "format": "{}",
}


def _shape(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    schema = _resolved(openapi, schema)
    if "anyOf" in schema:
        return " or ".join(_shape(openapi, each) for each in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(str(each) for each in schema["enum"])
    kind = schema.get("type", "any JSON")
    if kind == "array":
        return f"list of {_shape(openapi, schema['items'])}"
    bounds = [text.format(_json(schema[name]).strip('"')) for name, text in _BOUNDS.items() if name in schema]
    return ", ".join([kind, *bounds])


def metrics_page(scrape: str) -> str:
    lines = [
        "# Metrics",
        "",
        (
            "`GET /metrics`, Prometheus text format. Labels come from the settings, never from callers; `agent` is"
            " `removed` for jobs whose agent left the settings. The process's own metrics (`process_*`) are there"
            " on Linux. Counters begin at zero when the server starts."
        ),
        "",
        "| Metric | Type | Labels | |",
        "|---|---|---|---|",
    ]
    for family in text_string_to_metric_families(scrape):
        if family.name.startswith("process_"):
            continue
        labels = sorted({label for sample in family.samples for label in sample.labels} - {"le"})
        name = f"{family.name}_total" if family.type == "counter" else family.name
        named = ", ".join(f"`{label}`" for label in labels)
        lines.append(f"| `{name}` | {family.type} | {named} | {family.documentation} |")
    return "\n".join(lines) + "\n"


def cli_page() -> str:
    lines = [
        "# Command line",
        "",
        (
            "`airboss --help`, and `--help` behind each command, say the same."
            " [How to use it](../command-line.md) is a page of its own."
        ),
        "",
        "## Exit codes",
        "",
        "| Code | |",
        "|---|---|",
        *(f"| {code.value} | {MEANINGS[code]} |" for code in ExitCode),
    ]
    for words, command in _commands("airboss", typer.main.get_command(command_line)):
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        options = [each for each in command.params if each.param_type_name == "option"]
        usage = " ".join([words, *(_metavar(each) for each in arguments)])
        lines += ["", f"## {words}", "", f"`{usage} [OPTIONS]`", "", _cell(command.help or "")]
        told = [f"| `{_metavar(each)}` | {_cell(getattr(each, 'help', '') or '')} |" for each in arguments]
        told += [f"| {_option(each)} | {_cell(_help(each))} |" for each in options]
        lines += ["", "| | |", "|---|---|", *told] if told else []
    return "\n".join(lines) + "\n"


def _commands(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, below in command.commands.items():
        yield from _commands(f"{words} {name}", below)


_VALUES = {str: "TEXT", list[str]: "TEXT", list[Role]: "ROLE", int: "NUMBER", float: "NUMBER", Path: "PATH"}


def _metavar(parameter: Any) -> str:
    name = str(parameter.metavar or parameter.name).upper()
    return name if parameter.required else f"[{name}]"


def _option(parameter: Any) -> str:
    names = ", ".join(f"`{name}`" for name in parameter.opts)
    return names if parameter.is_flag else f"{names} {_VALUES[parameter.type_descriptor.annotation]}"


def _help(parameter: Any) -> str:
    parts = [parameter.help or ""]
    if parameter.envvar:
        parts.append(f"Variable: `{parameter.envvar}`.")
    if parameter.default not in (None, False) and not callable(parameter.default):
        parts.append(f"Default: {parameter.default}.")
    return " ".join(parts)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


# -- parts of pages ---------------------------------------------------------------------------------


def _with_part(page: str, name: str, part: str) -> str:
    """Return the page with the part between its markers."""
    begin = f"<!-- generated: {name} -->\n"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(END)
    return f"{before}{begin}{part}{END}{after}"


def decisions_table() -> str:
    lines = ["| | Decision |", "|---|---|"]
    for path in sorted((DOCS / "adr").glob("[0-9]*.md")):
        title = path.read_text().partition("\n")[0]
        number, _, decision = title.removeprefix("# ").partition(". ")
        lines.append(f"| {number} | [{decision}]({path.name}) |")
    return "\n".join([*lines, ""])


def states_diagram() -> str:
    lines = ["```mermaid", "stateDiagram-v2"]
    for edge in EDGES:
        source = "[*]" if edge.source is None else edge.source.value
        lines.append(f"  {source} --> {edge.target.value}: {edge.event.value.removeprefix('job.')}")
    lines += [
        f"  {state.value} --> [*]" for state in dict.fromkeys(e.target for e in EDGES) if state.is_final
    ]
    written = _written_events()
    unmade = dict.fromkeys(f"`{edge.event}`" for edge in EDGES if edge.event not in written)
    told = ["", f"Of these, this version does not make: {', '.join(unmade)}."] if unmade else []
    return "\n".join([*lines, "```", *told, ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
