"""A turn of the SDK as a request to the Messages API."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from agents import FunctionTool, Handoff
from agents.tool import Tool

from airboss.domain.text import well_formed
from airboss.providers.anthropic_native.sendable import decode_sendable
from airboss.providers.anthropic_native.wire_words import wire_word

#: Tokens an answer may have, thinking included, where nothing else is set: the API has no default of its own.
#: All models since Claude 4 take it, most of them more; `attempt_seconds` mostly ends an answer before.
DEFAULT_MAX_TOKENS = 32_000
#: How Anthropic's documentation hands arguments back that were no JSON: the input of a call must be an object.
_NO_JSON = "INVALID_JSON"


def offered_tools(tools: Iterable[Tool], handoffs: Iterable[Handoff[Any, Any]]) -> list[dict[str, Any]]:
    """Return tools and handoffs under their own names; only functions can be offered."""
    offered = []
    for tool in tools:
        if not isinstance(tool, FunctionTool):
            raise NotImplementedError(f"the tool {tool.name!r} is no function")
        offered.append(_tool(tool.name, tool.description, tool.params_json_schema))
    offered += [_tool(each.tool_name, each.tool_description, each.input_json_schema) for each in handoffs]
    return offered


def _tool(name: str, description: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": name, "description": description, "input_schema": {"type": "object", **schema}}


def messages_request(
    model: str,
    instructions: str | None,
    items: str | list[Any],
    tools: Sequence[Mapping[str, Any]],
    max_tokens: int | None,
) -> dict[str, Any]:
    """Return the fields of a request; a conversation may hold what other models said and thought."""
    conversation = _Conversation(model)
    given = [{"role": "user", "content": items}] if isinstance(items, str) else items
    for item in given:
        conversation.add(item)
    fields: dict[str, Any] = {
        "model": model,
        "max_tokens": max_tokens or DEFAULT_MAX_TOKENS,
        "messages": conversation.messages,
    }
    system = [text for text in (instructions, *conversation.system) if text and text.strip()]
    if system:
        fields["system"] = "\n\n".join(system)
    if tools:
        fields["tools"] = [{**tool, "name": wire_word(tool["name"])} for tool in tools]
    return fields


class _Conversation:
    """Gathers items into messages whose roles take turns."""

    def __init__(self, model: str) -> None:
        self._model = model
        self.system: list[str] = []
        self.messages: list[dict[str, Any]] = []

    def add(self, item: Mapping[str, Any]) -> None:
        match item.get("type", "message"):
            case "message":
                self._add_message(item["role"], _text(item["content"]))
            case "function_call":
                self._add("assistant", _tool_use(item))
            case "function_call_output":
                self._add("user", _tool_result(item))
            case "reasoning":
                self._add_thinking(item.get("provider_data") or {})
            case kind:
                raise NotImplementedError(f"an item of type {kind!r} cannot be told to Anthropic")

    def _add_message(self, role: str, text: str) -> None:
        if role in ("system", "developer"):
            self.system.append(text)
        elif role == "user" or text.strip():
            # Blank text of a model's own is left out: it would be refused.
            self._add(role, {"type": "text", "text": text})

    def _add_thinking(self, provider_data: Mapping[str, Any]) -> None:
        """Give thoughts back to whose they are, as they came: they are signed."""
        if provider_data.get("model") == self._model:
            for block in provider_data.get("thinking_blocks", ()):
                self._add("assistant", block)

    def _add(self, role: str, block: Mapping[str, Any]) -> None:
        if not self.messages or self.messages[-1]["role"] != role:
            self.messages.append({"role": role, "content": []})
        self.messages[-1]["content"].append(block)


def _text(content: str | Iterable[Mapping[str, Any]]) -> str:
    if isinstance(content, str):
        return well_formed(content)
    return well_formed("".join(_text_of_part(part) for part in content))


def _text_of_part(part: Mapping[str, Any]) -> str:
    match part["type"]:
        case "input_text" | "output_text":
            return str(part["text"])
        case "refusal":
            return str(part["refusal"])
        case kind:
            raise NotImplementedError(f"content of type {kind!r} cannot be told to Anthropic")


def _tool_use(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": wire_word(item["call_id"]),
        "name": wire_word(item["name"]),
        "input": _input(item["arguments"]),
    }


def _tool_result(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "tool_result",
        "tool_use_id": wire_word(item["call_id"]),
        "content": _text(item["output"]),
    }


def _input(arguments_json: str) -> dict[str, Any]:
    try:
        value = decode_sendable(arguments_json or "{}")
    except (ValueError, RecursionError):
        value = None
    return value if isinstance(value, dict) else {_NO_JSON: well_formed(arguments_json)}
