"""Following a stream, and waiting for a job, through broken connections and restarts."""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

from airboss.cli.api_client import ApiClient
from airboss.cli.failures import CommandError, RefusedError, UnreachableError
from airboss.cli.sse import Frame
from airboss.domain.states import FINAL_STATES

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 2.0
#: How long one request waits for the end of a job.
LOOK_SECONDS = 25
_DRAINING_PAUSE_SECONDS = 1.0
#: An answer to `wait` that came so much sooner than asked for, without an end, is that of a server that leaves:
#: through its drain it holds the answer back.
_EARLY_FRACTION = 0.5
#: A stream that stood for so long was well, even if it was silent.
_WELL_SECONDS = 1.0
_COMES_BACK = {
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


class _Trouble(Enum):
    NONE = auto()
    DRAINING = auto()
    LEFT = auto()
    LOST = auto()


class Patience:
    """How long a server that was there may be away.

    A server that never answered is not one that restarts: the first request has no patience.
    `tell` hears of each trouble once, and nothing when it is over.
    """

    def __init__(self, seconds: float, tell: Callable[[str], None]) -> None:
        self._seconds = seconds
        self._tell = tell
        self._was_there = False
        self._opened_at: float | None = None
        self._lost_at: float | None = None
        self._left_how = ""
        self._trouble = _Trouble.NONE
        self._pause_seconds = _FIRST_PAUSE_SECONDS

    def opened(self) -> None:
        """Note that there is a connection, which may yet turn out to be of no use."""
        self._was_there = True
        self._opened_at = time.monotonic()

    def is_well(self) -> None:
        """Note that something came: what was lost before does not count any more."""
        self._left_how = ""
        self._is_there(_Trouble.NONE, "")

    def drains(self) -> None:
        """Note that the server is about to leave: it still answers, and its streams tell no more."""
        self._opened_at = None
        if not self._left_how:
            self._is_there(_Trouble.DRAINING, "the server is draining")

    def leaves(self, job: Mapping[str, Any]) -> None:
        """Note that the server has left a job that has not ended to whoever comes after it, and wait a moment."""
        self._left_how = "handed it back to its queue" if job["started_at"] else "left it in its queue"
        how = self._left_how.replace("it ", "the job ", 1)
        self._is_there(
            _Trouble.LEFT, f"the server leaves and {how}; a server that starts again goes on with it"
        )
        time.sleep(_FIRST_PAUSE_SECONDS)

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
            raise self._given_up(cause)
        self._turn(_Trouble.LOST, f"the connection is lost; trying for {left_seconds:.0f} s more")
        time.sleep(min(self._pause_seconds, left_seconds))
        self._pause_seconds = min(2 * self._pause_seconds, _LONGEST_PAUSE_SECONDS)

    def _given_up(self, cause: CommandError) -> CommandError:
        if not self._left_how or not isinstance(cause, UnreachableError):
            return cause
        text = f"the job has not ended: the server left and {self._left_how}; {cause}"
        return UnreachableError(text, cause.advice)

    def _is_there(self, trouble: _Trouble, text: str) -> None:
        self._was_there = True
        self._lost_at = None
        self._pause_seconds = _FIRST_PAUSE_SECONDS
        self._turn(trouble, text)

    def _turn(self, trouble: _Trouble, text: str) -> None:
        if trouble is not self._trouble:
            self._trouble = trouble
            self._tell(text)


def _pause() -> bool:
    time.sleep(_DRAINING_PAUSE_SECONDS)
    return False


def follow(
    client: ApiClient,
    path: str,
    parameters: Mapping[str, Any],
    after: int | None,
    patience: Patience,
    has_ended: Callable[[], bool] = _pause,
) -> Iterator[Frame]:
    """Yield every frame once; a stream that broke off goes on behind the last id, for a while.

    `has_ended` is asked while the server drains, and takes its time: True ends this.
    """
    while True:
        cause: CommandError = UnreachableError(f"the stream of {client.url} broke off")
        is_draining = False
        try:
            for frame in client.stream(path, parameters, after, patience.opened):
                if frame.event == "stream.end" and _reason(frame) == "draining":
                    patience.drains()
                    is_draining = True
                    break
                patience.is_well()
                after = frame.id if frame.id is not None else after
                yield frame
                if frame.event == "stream.end":
                    return
            if is_draining:
                if has_ended():
                    return
                continue
        except (UnreachableError, RefusedError) as error:
            cause = error
        patience.wait(cause)


class FollowedJob:
    """A job that is followed to its end: its frames first, then how it ended."""

    def __init__(self, client: ApiClient, path: str, patience: Patience) -> None:
        self._client = client
        self._path = path
        self._patience = patience
        self._ended: dict[str, Any] | None = None

    def frames(self) -> Iterator[Frame]:
        last_id = 0
        path = f"{self._path}/events"
        for frame in follow(self._client, path, {}, last_id, self._patience, self._has_ended):
            last_id = last_id if frame.id is None else frame.id
            yield frame
        if self._ended is not None:
            yield from self._rest(last_id)

    def job(self) -> dict[str, Any]:
        """Return the job; a server that went away behind the last frame is waited for."""
        if self._ended is None:
            self._ended = wait_for_end(self._client, self._path, self._patience, LOOK_SECONDS, lambda _: None)
        return self._ended

    def _has_ended(self) -> bool:
        job, is_early = _look(self._client, self._path, LOOK_SECONDS)
        if job["state"] in FINAL_STATES:
            self._ended = job
        elif is_early:
            self._patience.leaves(job)
        return self._ended is not None

    def _rest(self, last_id: int) -> Iterator[Frame]:
        """Yield what no stream told any more, as far as the server stays to tell it."""
        parameters: dict[str, Any] = {"limit": "200"}
        try:
            while True:
                page = self._client.get(f"{self._path}/events", parameters)
                for event in page["data"]:
                    if int(event["id"]) > last_id:
                        yield Frame(int(event["id"]), event["type"], json.dumps(event, ensure_ascii=False))
                if not page["has_more"]:
                    return
                parameters["cursor"] = page["next_cursor"]
        except (UnreachableError, RefusedError):
            return


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
            job, is_early = _look(client, path, seconds)
        except (UnreachableError, RefusedError) as error:
            patience.wait(error)
            continue
        if job["state"] in FINAL_STATES:
            return job
        if is_early:
            patience.leaves(job)
        else:
            patience.is_well()
            on_job(job)
        seconds = look_seconds


def _look(client: ApiClient, path: str, seconds: int) -> tuple[dict[str, Any], bool]:
    """Wait for a job's end; return how it stands, and whether that came before the time was up."""
    asked_at = time.monotonic()
    job = client.get(f"{path}/wait", {"timeout_seconds": str(seconds)})
    return job, time.monotonic() - asked_at < seconds * _EARLY_FRACTION


def _may_pass(cause: CommandError) -> bool:
    return not isinstance(cause, RefusedError) or cause.status in _COMES_BACK


def _reason(frame: Frame) -> str:
    return str(json.loads(frame.data).get("reason", ""))
