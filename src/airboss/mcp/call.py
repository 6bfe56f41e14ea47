"""One tool call on its way from whoever asks to the session."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airboss.ports.mcp import OnProgress


@dataclass(eq=False, slots=True)
class Call:
    """Waits, then runs in a task of the server's owner; whoever asks waits for the answer only."""

    tool: str
    arguments: Mapping[str, Any]
    on_progress: OnProgress
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    task: asyncio.Task[None] | None = None

    @property
    def is_sent(self) -> bool:
        return self.task is not None

    def succeed(self, answer: Any) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def fail(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)

    def give_up(self) -> None:
        """End the call, wherever it is; the server is told where it knows of it."""
        self.answer.cancel()
        if self.task is not None:
            self.task.cancel()
