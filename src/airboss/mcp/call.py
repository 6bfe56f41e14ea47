"""Tool calls on their way from whoever asks to the session."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from airboss.ports.mcp import McpNotSentError, OnProgress


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


class CallQueue:
    """The calls of one server: those in flight, and those that wait for a place or for the session; bounded."""

    def __init__(self, max_in_flight: int, max_waiting: int) -> None:
        self._max_waiting = max_waiting
        self._max_calls = max_in_flight + max_waiting
        self._calls: set[Call] = set()
        self._waiting: deque[Call] = deque()

    def put(self, call: Call) -> None:
        """Let a call wait; raises `McpNotSentError` when as many wait as may."""
        # Counted whole: places are free before the owner's task has looked at the queue.
        if len(self._calls) >= self._max_calls:
            raise McpNotSentError(f"{self._max_waiting} calls wait for this server already; try again later")
        self._calls.add(call)
        self._waiting.append(call)

    def take(self) -> Call | None:
        return self._waiting.popleft() if self._waiting else None

    def withdraw(self, call: Call) -> None:
        """Forget a call whose caller is gone, and end its task where it has one: the server is told."""
        self._calls.discard(call)
        if call in self._waiting:
            self._waiting.remove(call)
        call.answer.cancel()
        if call.task is not None:
            call.task.cancel()

    def fail_all(self, reason: str) -> None:
        """Fail the calls that wait."""
        while (call := self.take()) is not None:
            call.fail(McpNotSentError(reason))
