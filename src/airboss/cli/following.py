"""Following a stream, and waiting for a job, through broken connections and restarts."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from airboss.cli.api_client import ApiClient
from airboss.cli.failures import CommandError, RefusedError, UnreachableError
from airboss.cli.sse import Frame
from airboss.domain.states import FINAL_STATES

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 2.0
#: A stream that stood for so long was well, even if it was silent.
_WELL_SECONDS = 1.0
_COMES_BACK = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


class Patience:
    """How long a server that was there may be away.

    A server that never answered is not one that restarts: the first request has no patience.
    """

    def __init__(self, seconds: float, tell: Callable[[str], None]) -> None:
        self._seconds = seconds
        self._tell = tell
        self._was_there = False
        self._opened_at: float | None = None
        self._lost_at: float | None = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    @property
    def was_there(self) -> bool:
        return self._was_there

    def opened(self) -> None:
        """Note that there is a connection, which may yet turn out to be of no use."""
        self._was_there = True
        self._opened_at = time.monotonic()

    def is_well(self) -> None:
        """Note that something came: what was lost before does not count any more."""
        self._was_there = True
        if self._lost_at is not None:
            self._tell("")
        self._lost_at = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def wait(self, cause: CommandError) -> None:
        """Wait a while before the next try; raises the cause where there is none."""
        now = time.monotonic()
        if self._opened_at is not None and now - self._opened_at >= _WELL_SECONDS:
            self.is_well()
        self._opened_at = None
        if self._lost_at is None:
            self._lost_at = now
        left_seconds = self._lost_at + self._seconds - now
        if not self._was_there or left_seconds <= 0 or not _may_pass(cause):
            raise cause
        self._tell(f"the connection is lost; trying for {left_seconds:.0f} s more")
        time.sleep(min(self._pause_seconds, left_seconds))
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)


def follow(
    client: ApiClient, path: str, parameters: Mapping[str, Any], after: int | None, patience: Patience
) -> Iterator[Frame]:
    """Yield every frame once; a stream that broke off goes on behind the last id, for a while."""
    while True:
        cause: CommandError = UnreachableError(f"the stream of {client.url} broke off")
        try:
            for frame in client.stream(path, parameters, after, patience.opened):
                patience.is_well()
                after = frame.id if frame.id is not None else after
                if frame.event == "stream.end" and _reason(frame) == "draining":
                    # The server goes, the stream does not: a reader hears of it when it stays away.
                    break
                yield frame
                if frame.event == "stream.end":
                    return
        except (UnreachableError, RefusedError) as error:
            cause = error
        patience.wait(cause)


def wait_for_end(
    client: ApiClient,
    path: str,
    patience: Patience,
    look_seconds: int,
    on_job: Callable[[Mapping[str, Any]], None],
) -> dict[str, Any]:
    """Return the job at its end; `on_job` sees it as it stands, every `look_seconds`."""
    seconds = 0
    while True:
        try:
            job = client.get(f"{path}/wait", {"timeout_seconds": str(seconds)})
        except (UnreachableError, RefusedError) as error:
            patience.wait(error)
            continue
        patience.is_well()
        if job["state"] in FINAL_STATES:
            return job
        on_job(job)
        seconds = look_seconds


def _may_pass(cause: CommandError) -> bool:
    return not isinstance(cause, RefusedError) or cause.status in _COMES_BACK


def _reason(frame: Frame) -> str:
    return str(json.loads(frame.data).get("reason", ""))
