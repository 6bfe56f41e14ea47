"""A tool: something an agent may call, with a strict schema."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class ToolError(Exception):
    """The call failed in a way the model should read and can react to."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ToolDeniedError(ToolError):
    """The call is not allowed, whatever its outcome would have been."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """For whom a tool works."""

    job_id: str
    tenant: str


class Tool(Protocol):
    """`parameters` is a JSON Schema object that allows nothing it does not name."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    @property
    def repeatable(self) -> bool:
        """Whether a call may be made again when its answer was lost."""
        ...

    async def call(self, context: ToolContext, arguments: Mapping[str, Any]) -> Any:
        """Return the answer, text or JSON; raises `ToolError`."""
        ...
