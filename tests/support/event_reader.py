"""Reading an event stream of a real server, frame by frame, with a deadline."""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
from tests.support.server import ServerProcess

DEADLINE_SECONDS = 15.0
#: Exactly what the contract shows: an event, a notice without an id, the first hint, a comment.
EVENT = re.compile(r"id: (?P<id>\d+)\nevent: (?P<event>[a-z_.]+)\ndata: (?P<data>\{.*\})")
NOTICE = re.compile(r"event: (?P<event>stream\.[a-z]+)\ndata: (?P<data>\{.*\})")
RETRY = "retry: 3000"
COMMENT = re.compile(r":[^\n]*")


@dataclass(frozen=True)
class StreamFrame:
    """One frame; `id` is None for a notice."""

    id: int | None
    event: str
    data: dict[str, Any]


class EventReader:
    """Reads one open stream; every frame must have one of the forms of the contract."""

    def __init__(self, response: httpx2.Response) -> None:
        self.response = response
        self.comments = 0
        self.raw = ""
        self.frames: list[StreamFrame] = []
        self._texts = self._read_texts()

    def next(self) -> StreamFrame:
        """Return the next frame; raises StopIteration where the stream ended."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            assert time.monotonic() < deadline, "no frame in time"
            text = next(self._texts)
            if COMMENT.fullmatch(text):
                self.comments += 1
            elif text != RETRY:
                frame = parse_frame(text)
                self.frames.append(frame)
                return frame

    def until(self, condition: Callable[[StreamFrame], bool]) -> list[StreamFrame]:
        """Read through the first frame that fits, and return all frames on the way to it."""
        frames = [self.next()]
        while not condition(frames[-1]):
            frames.append(self.next())
        return frames

    def until_type(self, event: str) -> list[StreamFrame]:
        return self.until(lambda frame: frame.event == event)

    def until_comment(self, times: int) -> None:
        while self.comments < times:
            text = next(self._texts)
            if COMMENT.fullmatch(text):
                self.comments += 1

    def until_end(self) -> list[StreamFrame]:
        """Read through `stream.end`; there must be nothing behind it."""
        frames = self.until_type("stream.end")
        assert next(self._texts, None) is None
        return frames

    @property
    def ids(self) -> list[int]:
        return [frame.id for frame in self.frames if frame.id is not None]

    def _read_texts(self) -> Iterator[str]:
        rest = ""
        for piece in self.response.iter_text():
            self.raw += piece
            *texts, rest = (rest + piece).split("\n\n")
            yield from texts
        assert rest == "", f"the stream broke off within a frame: {rest!r}"


def parse_frame(text: str) -> StreamFrame:
    if found := EVENT.fullmatch(text):
        data = json.loads(found["data"])
        assert data["id"] == found["id"]
        assert data["type"] == found["event"]
        return StreamFrame(int(found["id"]), found["event"], data)
    notice = NOTICE.fullmatch(text)
    assert notice is not None, f"no form of the contract: {text!r}"
    return StreamFrame(None, notice["event"], json.loads(notice["data"]))


@contextmanager
def event_stream(
    server: ServerProcess,
    path: str = "/v1/events",
    headers: Mapping[str, str] | None = None,
    **parameters: Any,
) -> Iterator[EventReader]:
    """Open a stream; when this has entered, the subscription is there."""
    with (
        server.client() as client,
        client.stream(
            "GET",
            path,
            params={key: str(value) for key, value in parameters.items()},
            headers={"Accept": "text/event-stream", **(headers or {})},
            timeout=DEADLINE_SECONDS,
        ) as response,
    ):
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield EventReader(response)
