"""A deadline over many waits of one stream, with one timer for all of them."""

import asyncio
from types import TracebackType
from typing import Self


class Deadline:
    """Entered for each wait, it ends a wait that outlasts it with `TimeoutError`.

    `asyncio.timeout` sets and cancels a timer for each wait: four times the cost of all else that the call
    path does for an event. Only one wait at a time; `close` it when the stream is.
    """

    __slots__ = ("_cancelled_before", "_has_passed", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._has_passed = False
        self._task: asyncio.Task[object] | None = None
        self._cancelled_before = 0
        self._timer = asyncio.get_running_loop().call_later(max(0.0, seconds), self._pass)

    def shorten(self, seconds: float) -> None:
        """Let it pass in so many seconds, unless it does so sooner."""
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        if when < self._timer.when():
            self._timer.cancel()
            self._timer = loop.call_at(when, self._pass)

    def close(self) -> None:
        self._timer.cancel()

    def __enter__(self) -> Self:
        if self._has_passed:
            raise TimeoutError
        self._task = asyncio.current_task()
        assert self._task is not None  # noqa: S101 - only tasks wait
        self._cancelled_before = self._task.cancelling()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        task, self._task = self._task, None
        if not self._has_passed or task is None:
            return
        # Somebody else may have cancelled too: then the cancellation is theirs.
        is_ours_alone = task.uncancel() <= self._cancelled_before
        if is_ours_alone and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _pass(self) -> None:
        self._has_passed = True
        if self._task is not None:
            self._task.cancel()
