"""What identifies a call in a run, and what it asks."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ModelCall:
    """The model call of one turn; turns count from 1."""

    turn: int
    provider: str
    model: str
    request_hash: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """The tool call `index` (from 0) that the model asked for in one turn."""

    turn: int
    index: int
    call_id: str
    tool: str
    arguments_json: str
