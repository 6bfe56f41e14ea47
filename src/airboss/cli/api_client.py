"""A client of the HTTP API."""

import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import httpx2

from airboss.cli.advice import for_request
from airboss.cli.failures import RefusedError, UnreachableError, UsageError
from airboss.cli.sse import Frame, frames

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 70.0
#: Heartbeats come every 15 s: a stream that is silent for three of them is gone.
_STREAM_TIMEOUT = httpx2.Timeout(45.0, connect=_CONNECT_SECONDS)


class ApiClient:
    """Synchronous, for commands. Raises `CommandError` where there is no answer, or a refusal."""

    def __init__(self, url: str, token: str | None, answer_seconds: float = _ANSWER_SECONDS) -> None:
        self.url = url
        try:
            self._http = httpx2.Client(
                base_url=url,
                headers=_authorization(token),
                timeout=httpx2.Timeout(answer_seconds, connect=min(_CONNECT_SECONDS, answer_seconds)),
                trust_env=False,
                # Reading the system's certificates takes longer than a request without them. Read by the standard
                # library they are those of SSL_CERT_FILE and SSL_CERT_DIR, where these are set.
                verify=ssl.create_default_context() if url.startswith("https:") else False,
            )
        except httpx2.InvalidURL as error:
            raise UsageError(f"'{url}' is no address of a server: {error}") from None
        if self._http.base_url.scheme not in ("http", "https") or not self._http.base_url.host:
            raise UsageError(f"'{url}' is no address of a server: it must be like http://127.0.0.1:8700")

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._send("GET", path, params=_given(parameters or {}))

    def list(self, path: str) -> list[dict[str, Any]]:
        """Return the documents of a collection that is not paged."""
        documents: list[dict[str, Any]] = self.get(path)["data"]
        return documents

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
        return self._send("POST", path, json=body, headers=headers)

    def stream(
        self, path: str, parameters: Mapping[str, Any], after: int | None, on_open: Callable[[], None]
    ) -> Iterator[Frame]:
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
                    raise self._refused(answer)
                if not answer.headers.get("content-type", "").startswith("text/event-stream"):
                    raise self._no_airboss(answer)
                on_open()
                yield from frames(answer.iter_lines())
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from None

    def _send(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, **options)
        except httpx2.HTTPError as error:
            raise self._unreachable(error) from None
        if answer.is_error:
            raise self._refused(answer)
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise self._no_airboss(answer)
        return document

    def _unreachable(self, error: httpx2.HTTPError) -> UnreachableError:
        advice = "start it with 'airboss serve', or name another with --url or AIRBOSS_URL"
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return UnreachableError(
                f"the certificate of {self.url} is not trusted ({error})",
                "name the file of the authority that signed it in SSL_CERT_FILE",
            )
        if "WRONG_VERSION_NUMBER" in str(error):
            http_url = self.url.replace("https:", "http:", 1)
            return UnreachableError(f"the server at {self.url} does not speak TLS", f"use {http_url}")
        # Only getaddrinfo numbers its errors so.
        if "[Errno -" in str(error):
            host = self._http.base_url.host
            return UnreachableError(
                f"there is no host '{host}': its name cannot be resolved", "check --url or AIRBOSS_URL"
            )
        if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
            return UnreachableError(f"cannot reach {self.url}: is the server running?", advice)
        return UnreachableError(f"no answer from {self.url} ({type(error).__name__})", advice)

    def _refused(self, answer: httpx2.Response) -> RefusedError | UnreachableError:
        try:
            error = answer.json()["error"]
            text = f"{error['code']}: {error['message']} (request {error['request_id']})"
            return RefusedError(text, for_request(error["code"]), answer.status_code)
        except (ValueError, KeyError, TypeError):
            return self._no_airboss(answer)

    def _no_airboss(self, answer: httpx2.Response) -> UnreachableError:
        return UnreachableError(
            f"HTTP {answer.status_code} from {answer.url}, which does not look like an Airboss",
            "name the server with --url or AIRBOSS_URL",
        )


def _authorization(token: str | None) -> dict[str, str]:
    """Return the header of a token; the line's end of the file that it was read from is no part of it."""
    token = (token or "").strip()
    if not (token.isascii() and token.isprintable()):
        raise UsageError(
            "the token of --token or AIRBOSS_TOKEN holds characters that no HTTP header can hold;"
            " give it exactly as it was issued"
        )
    return {"Authorization": f"Bearer {token}"} if token else {}


def _given(parameters: Mapping[str, Any]) -> dict[str, str | Sequence[str]]:
    return {key: value for key, value in parameters.items() if value not in (None, [], ())}
