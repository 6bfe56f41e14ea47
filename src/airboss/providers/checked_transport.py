"""The transport under every provider client: errors in our words, answers checked, streams in our hands."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from contextvars import ContextVar
from dataclasses import dataclass

import httpx2

from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.providers.answer_check import AnswerCheck
from airboss.providers.faults import ProviderFault, bad_answer, fault_of_status, timed_out, unreachable
from airboss.resilience.retry_after import parse_retry_after
from airboss.security.redaction import redacted

_OK = 200
_LOGGED_BYTES = 300
#: What is said with an error mostly comes along with its status; where it does not, the status is enough.
_LOGGED_SECONDS = 0.2
_EVENT_STREAM = "text/event-stream"


@dataclass(slots=True)
class Attempt:
    """One HTTP call: its check, and the stream that has to be closed with it.

    `began` is in seconds of the monotonic clock; `is_told` once its end has been counted.
    """

    provider: str
    model: str
    check: AnswerCheck
    began: float
    is_told: bool = False
    stream: "CheckedStream | None" = None

    async def close(self) -> None:
        if self.stream is not None:
            await self.stream.aclose()


#: The attempt that the client's next request belongs to: the client libraries pass nothing through.
current_attempt: ContextVar[Attempt] = ContextVar("current_attempt")


class CheckedTransport(httpx2.AsyncBaseTransport):
    """Raises `ProviderFault` for whatever is not a stream of events."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, clock: Clock, log: Log) -> None:
        self._inner = inner
        self._clock = clock
        self._log = log

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        attempt = current_attempt.get()
        try:
            response = await self._inner.handle_async_request(request)
        except httpx2.ConnectTimeout:
            raise unreachable("could not be connected to in time") from None
        except httpx2.TimeoutException:
            raise timed_out("did not answer in time") from None
        except (httpx2.ConnectError, ssl.SSLError):
            raise unreachable("could not be reached") from None
        except httpx2.TransportError:
            raise unreachable("broke the connection before it answered") from None
        fault = self._fault(response)
        if fault is not None:
            try:
                await self._log_fault(attempt, fault, request, response)
            finally:
                await response.aclose()
            raise fault
        assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - an async transport's
        attempt.stream = CheckedStream(response.stream, attempt.check)
        response.stream = attempt.stream
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _fault(self, response: httpx2.Response) -> ProviderFault | None:
        if response.status_code != _OK:
            return fault_of_status(
                response.status_code, parse_retry_after(response.headers, self._clock.now_ms())
            )
        if not response.headers.get("content-type", "").lower().startswith(_EVENT_STREAM):
            return bad_answer("answered with something else than a stream of events")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            return bad_answer("answered in an encoding it was not asked for")
        return None

    async def _log_fault(
        self, attempt: Attempt, fault: ProviderFault, request: httpx2.Request, response: httpx2.Response
    ) -> None:
        """Keep the beginning of the answer for operators, without the key it may repeat."""
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        keys = [key for key in (bearer, request.headers.get("x-api-key", "")) if key]
        # So much more that a key which begins within what is logged is found whole, and masked.
        size_bytes = _LOGGED_BYTES + max(map(len, keys), default=0)
        text = (await _beginning(response, size_bytes)).decode("utf-8", "replace")
        for key in keys:
            # As long as the key: nothing from behind what was read moves into what is logged.
            text = text.replace(key, "*" * len(key))
        self._log.warning(
            "provider.fault",
            provider=attempt.provider,
            model=attempt.model,
            code=fault.code,
            status=response.status_code,
            content_type=response.headers.get("content-type", "")[:100],
            begins=redacted(text[:_LOGGED_BYTES]),
        )


class CheckedStream(httpx2.AsyncByteStream):
    """The bytes of an answer, each checked before it is handed on."""

    def __init__(self, inner: httpx2.AsyncByteStream, check: AnswerCheck) -> None:
        self._inner = inner
        self._check = check

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._inner:
                self._check.feed(part)
                yield part
        except httpx2.TimeoutException:
            raise timed_out("stopped in its answer") from None
        except httpx2.TransportError:
            # A reset behind the finish is one: what was asked for had come whole.
            if self._check.finish_reason is None:
                raise _broken_off(self._check) from None
        self._check.end()

    async def aclose(self) -> None:
        await self._inner.aclose()


def _broken_off(check: AnswerCheck) -> ProviderFault:
    if check.has_output:
        return bad_answer("broke off in its answer")
    return unreachable("broke the connection before its first word")


async def _beginning(response: httpx2.Response, size_bytes: int) -> bytes:
    """Read a little of an answer that is refused; what it says is for the log only."""
    read = b""
    assert isinstance(response.stream, httpx2.AsyncByteStream)  # noqa: S101 - an async transport's
    with contextlib.suppress(httpx2.TransportError, TimeoutError):
        async with asyncio.timeout(_LOGGED_SECONDS):
            async for part in response.stream:
                read += part
                if len(read) >= size_bytes:
                    break
    return read[:size_bytes]
