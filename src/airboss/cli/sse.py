"""Reading server-sent events (WHATWG HTML, 9.2)."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frame:
    """One event of a stream; `id` is None where it does not move the position."""

    id: int | None
    event: str
    data: str


def frames(lines: Iterable[str]) -> Iterator[Frame]:
    """Yield the frames in lines that were split already; comments and retry hints are passed over."""
    number: int | None = None
    event, data = "message", list[str]()
    for line in lines:
        if not line:
            if data:
                yield Frame(number, event, "\n".join(data))
            number, event, data = None, "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            number = int(value)
        elif name == "event":
            event = value
        elif name == "data":
            data.append(value)
