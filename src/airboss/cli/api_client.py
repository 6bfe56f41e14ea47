"""A client of the HTTP API."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import httpx2

from airboss.cli.sse import Frame, frames

_TIMEOUT = httpx2.Timeout(70.0, connect=5.0)
#: Heartbeats come every 15 s: a stream that is silent for three of them is gone.
_STREAM_TIMEOUT = httpx2.Timeout(45.0, connect=5.0)


class ApiError(Exception):
    """The server refused, or could not be reached; the text says what to do."""


class UnreachableError(ApiError):
    """There was no answer, or it broke off: it may come another time."""


class ApiClient:
    """Synchronous, for commands."""

    def __init__(self, url: str, token: str | None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.url = url
        try:
            self._http = httpx2.Client(base_url=url, headers=headers, timeout=_TIMEOUT, trust_env=False)
        except httpx2.InvalidURL as error:
            raise ApiError(f"'{url}' is no address of a server: {error}") from None

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> Any:
        return self._send("GET", path, params=_given(parameters or {}))

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        return self._send("POST", path, json=body, headers=headers)

    def stream(self, path: str, parameters: Mapping[str, Any], after: int | None) -> Iterator[Frame]:
        """Follow a stream until it ends; raises `UnreachableError` where it breaks off."""
        headers = {"Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        try:
            with self._http.stream(
                "GET", path, params=_given(parameters), headers=headers, timeout=_STREAM_TIMEOUT
            ) as answer:
                if answer.status_code != httpx2.codes.OK:
                    answer.read()
                    raise _refused(answer)
                yield from frames(answer.iter_lines())
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None

    def _send(self, method: str, path: str, **options: Any) -> Any:
        try:
            answer = self._http.request(method, path, **options)
        except httpx2.TransportError as error:
            raise self._unreachable(error) from None
        if answer.is_error:
            raise _refused(answer)
        return answer.json()

    def _unreachable(self, error: httpx2.TransportError) -> UnreachableError:
        return UnreachableError(
            f"no answer from {self.url} ({type(error).__name__}): start it with 'airboss serve',"
            " or name another with --url or AIRBOSS_URL"
        )


def _refused(answer: httpx2.Response) -> ApiError:
    try:
        error = answer.json()["error"]
        text = f"{error['code']}: {error['message']} (request {error['request_id']})"
    except (json.JSONDecodeError, KeyError, TypeError):
        text = f"HTTP {answer.status_code} from {answer.url}, which does not look like an Airboss"
    return ApiError(text)


def _given(parameters: Mapping[str, Any]) -> dict[str, str | Sequence[str]]:
    return {key: value for key, value in parameters.items() if value not in (None, [], ())}
