"""A tool: something an agent may call, with a strict schema."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from airboss.domain.agents import AgentSpec
from airboss.domain.errors import JobFailure

#: Told how far a call is: a message, and a fraction from 0 to 1 where it is known.
OnProgress = Callable[[str, float | None], None]


class ToolError(Exception):
    """The call failed in a way the model should read and can react to."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class ToolDeniedError(ToolError):
    """The call is not allowed, whatever its outcome would have been."""


class ToolUnavailableError(Exception):
    """What is behind the tool cannot be used: the job ends with this failure, the model is not asked.

    `may_have_run` tells whether the call may have had its effect all the same.
    """

    def __init__(self, failure: JobFailure, *, may_have_run: bool) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.may_have_run = may_have_run


def nobody_asks(message: str, fraction: float | None) -> None:
    """Take progress that nobody wants to know of."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """For whom a tool works, and who is told of its progress."""

    job_id: str
    tenant: str
    on_progress: OnProgress = nobody_asks


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


class ToolSource(Protocol):
    """Where tools come from; asked once at the start of each run."""

    async def tools_of(self, agent: AgentSpec) -> Sequence[Tool]:
        """Return what an agent may call, in a stable order; raises `JobFailure` where that cannot be had."""
        ...
