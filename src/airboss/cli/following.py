"""Following a stream through broken connections and restarts."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from airboss.cli.api_client import ApiClient, UnreachableError
from airboss.cli.sse import Frame

_RETRY_SECONDS = 1.0
_TRIES = 10


def follow(client: ApiClient, path: str, parameters: Mapping[str, Any], after: int | None) -> Iterator[Frame]:
    """Yield every frame once; a stream that broke off goes on behind the last id, for a while."""
    tries = 0
    connected = False
    while True:
        try:
            for frame in client.stream(path, parameters, after):
                tries, connected = 0, True
                after = frame.id if frame.id is not None else after
                yield frame
                if frame.event == "stream.end" and _reason(frame) != "draining":
                    return
        except UnreachableError:
            tries += 1
            # A server that never answered is not one that restarts.
            if tries >= _TRIES or after is None or not connected:
                raise
        time.sleep(_RETRY_SECONDS)


def _reason(frame: Frame) -> str:
    return str(json.loads(frame.data).get("reason", ""))
