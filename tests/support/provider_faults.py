"""What a provider may do, and what must come of it: one row for each."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import Any

from tests.support.call_bench import QUICK, RETRY, TIMEOUTS
from tests.support.faulty_provider import Exchange, FaultyProvider, Step, answer
from tests.support.wire_answers import (
    APIS,
    CHAT,
    RESPONSES,
    chat_chunk,
    response_body,
    response_event,
    sse,
    wire_answer,
)

from airboss.domain.provider_policies import RetryPolicy, TimeoutPolicy

#: Stands in every error of the provider: it must not be found anywhere behind it.
PROVIDER_TEXT = "the providers own words"
_ERROR = b'{"error": {"message": "%s", "type": "fake", "code": "fake"}}' % PROVIDER_TEXT.encode()
_HTML = f"<!doctype html><html><body>{PROVIDER_TEXT}</body></html>".encode()
_DRIP_SECONDS = 0.01
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Fault:
    """A row: `code` None is success; `calls` are those that reach the provider in one model call.

    `policy` holds fields of the provider's settings; `aborts` are connections that the provider sees closed
    before it had answered, None where that may be either. With an `address` nothing reaches the provider, and
    `calls` are our own count.
    """

    name: str
    steps: tuple[Step, ...]
    code: str | None
    calls: int
    seconds_at_least: float = 0.0
    aborts: int | None = None
    address: Callable[[FaultyProvider], str] | None = None
    apis: tuple[str, ...] = APIS
    with_tools: bool = True
    policy: Mapping[str, Any] = field(default_factory=dict)

    @property
    def timeouts(self) -> TimeoutPolicy:
        """The default leaves time enough; what should time out does so quickly."""
        return replace(QUICK if self.code == _TIMEOUT else TIMEOUTS, **self.policy.get("timeouts", {}))

    @property
    def retry(self) -> RetryPolicy:
        return replace(RETRY, **self.policy.get("retry", {}))


# What happens before the answer.


def slow(seconds: float) -> Step:
    async def step(exchange: Exchange) -> None:
        await exchange.pause(seconds)
        await answer(exchange)

    return step


def status(number: int, body: bytes = _ERROR, content_type: str = "application/json", **headers: Any) -> Step:
    async def step(exchange: Exchange) -> None:
        said = {name: value() if callable(value) else value for name, value in headers.items()}
        await exchange.head(number, content_type, content_length=len(body), **said)
        await exchange.send(body)

    return step


def date_in(seconds: float) -> Callable[[], str]:
    return lambda: formatdate(time.time() + seconds, usegmt=True)


def status_without_its_body(number: int) -> Step:
    async def step(exchange: Exchange) -> None:
        await exchange.head(number, "application/json", content_length=100)
        await exchange.stay()

    return step


async def hang(exchange: Exchange) -> None:
    await exchange.stay()


async def hang_behind_the_headers(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.stay()


async def drip_headers(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n")
    while True:
        await exchange.send(b"x-more: 1\r\n")
        await exchange.pause(_DRIP_SECONDS)


async def close(exchange: Exchange) -> None:
    exchange.writer.close()


async def reset(exchange: Exchange) -> None:
    exchange.reset()


async def no_http(exchange: Exchange) -> None:
    await exchange.send(b"\x16\x03\x01 220 mail ready \xff\xfe\r\n\r\n")
    exchange.writer.close()


async def huge_headers(exchange: Exchange) -> None:
    await exchange.send(b"HTTP/1.1 200 OK\r\n" + b"x-padding: " + b"x" * (300 * 1024) + b"\r\n\r\n")
    exchange.writer.close()


# What happens in the answer.


async def reset_before_the_first_token(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.chunk(exchange.answer.opening)
    await exchange.pause(_DRIP_SECONDS)
    exchange.reset()


async def announced_then_reset(exchange: Exchange) -> None:
    item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "in_progress", "content": []}
    await exchange.head()
    await exchange.chunk(exchange.answer.opening)
    await exchange.chunk(response_event("response.output_item.added", output_index=0, item=item))
    await exchange.pause(_DRIP_SECONDS * 3)
    exchange.reset()


async def close_before_the_first_token(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.chunk(exchange.answer.opening)
    exchange.writer.close()


def after_words(count: int, then: Step) -> Step:
    """Say so many words, then go on as told."""

    async def step(exchange: Exchange) -> None:
        whole = exchange.answer
        await exchange.head()
        await exchange.chunk(whole.opening, *whole.words[:count])
        # What was said should be read before the connection breaks: a reset takes unread bytes along.
        await exchange.pause(_DRIP_SECONDS * 3)
        await then(exchange)

    return step


async def drip(exchange: Exchange) -> None:
    """Go on one byte at a time with an answer that has no end."""
    await exchange.head()
    while True:
        for byte in exchange.answer.opening + b"".join(exchange.answer.words):
            await exchange.chunk(bytes([byte]))
            await exchange.pause(_DRIP_SECONDS)


async def drip_comments(exchange: Exchange) -> None:
    await exchange.head()
    while True:
        await exchange.chunk(b": still here\n\n")
        await exchange.pause(_DRIP_SECONDS)


async def drip_words(exchange: Exchange) -> None:
    whole = exchange.answer
    await exchange.head()
    await exchange.chunk(whole.opening, whole.words[0])
    while True:
        await exchange.chunk(whole.words[1])
        await exchange.pause(_DRIP_SECONDS)


async def end_at_once(exchange: Exchange) -> None:
    await exchange.end_chunks()


async def cut(exchange: Exchange) -> None:
    exchange.writer.close()


def events(build: Callable[[str], bytes]) -> Step:
    """Stream what is built for the API."""

    async def step(exchange: Exchange) -> None:
        await exchange.stream(build(exchange.api))

    return step


def changed(change: Callable[[bytes], bytes], content_type: str = "text/event-stream") -> Step:
    """Stream the right answer, changed."""

    async def step(exchange: Exchange) -> None:
        await exchange.head(200, content_type)
        await exchange.chunk(change(exchange.answer.whole))
        await exchange.end_chunks()

    return step


def finishing(finish: str, *, done: bool = True) -> Step:
    async def step(exchange: Exchange) -> None:
        whole = wire_answer(exchange.api, finish=finish)
        await exchange.stream(whole.opening, *whole.words, whole.closing, whole.done if done else b"")

    return step


async def no_finish_and_stall(exchange: Exchange) -> None:
    whole = wire_answer(exchange.api, finish="")
    await exchange.head()
    await exchange.chunk(whole.opening, *whole.words, whole.closing, whole.done)
    await exchange.stay()


async def whole_and_stall(exchange: Exchange) -> None:
    """Answer whole, but never end the body."""
    await exchange.head()
    await exchange.chunk(exchange.answer.whole)
    await exchange.stay()


async def whole_and_reset(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.chunk(exchange.answer.whole)
    await exchange.pause(_DRIP_SECONDS)
    exchange.reset()


async def last_event_without_its_blank_line(exchange: Exchange) -> None:
    whole = exchange.answer
    finish = whole.closing if exchange.api == RESPONSES else whole.closing.split(b"\n\n")[0]
    await exchange.stream(whole.opening, *whole.words, finish.rstrip(b"\n"))


async def twenty_megabytes(exchange: Exchange) -> None:
    whole = wire_answer(exchange.api, pieces=("words " * 2000,))
    await exchange.head()
    await exchange.chunk(whole.opening)
    (part,) = whole.words
    for _ in range(20 * _MEGABYTE // len(part)):
        await exchange.chunk(part)
    await exchange.chunk(whole.closing, whole.done)
    await exchange.end_chunks()


async def twenty_megabytes_in_a_line(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.chunk(b"data: ")
    for _ in range(20):
        await exchange.chunk(b"x" * _MEGABYTE)
    await exchange.end_chunks()


async def compressed(exchange: Exchange) -> None:
    await exchange.head(content_encoding="gzip")
    await exchange.stay()


async def error_in_the_stream(exchange: Exchange) -> None:
    await exchange.stream(exchange.answer.opening, b"data: " + _ERROR + b"\n\n")


async def error_behind_words(exchange: Exchange) -> None:
    whole = exchange.answer
    await exchange.stream(whole.opening, *whole.words[:2], b"data: " + _ERROR + b"\n\n")


def _refused(api: str) -> bytes:
    return wire_answer(api, refusal=True).whole


def _nothing_said(api: str) -> bytes:
    return wire_answer(api, pieces=("",)).whole


def _odd_usage(api: str) -> bytes:
    names = ("prompt_tokens", "completion_tokens") if api == CHAT else ("input_tokens", "output_tokens")
    return wire_answer(api, usage={names[0]: "many", names[1]: -1, "total_tokens": None}).whole


def _half_usage(api: str) -> bytes:
    return wire_answer(api, usage={"total_tokens": 3}).whole


def _odd_delta(api: str) -> bytes:
    if api == CHAT:
        return chat_chunk({"tool_calls": [{"index": "x", "function": 7}]}) + chat_chunk({}, "tool_calls")
    return response_event("response.output_text.delta", delta={"not": "text"}) + response_event(
        "response.completed", response=response_body([1, "two", {"type": "message"}])
    )


def _odd_output(api: str) -> bytes:
    if api == CHAT:
        return chat_chunk({"content": ["not", "text"]}) + chat_chunk({}, "stop")
    output = [{"type": "message", "content": None}, {"type": "function_call"}, {"type": "no_such_item"}]
    return response_event("response.completed", response=response_body(output))


def _only_reasoning(api: str) -> bytes:
    if api == CHAT:
        return chat_chunk({"reasoning_content": "hm"}) + chat_chunk({}, "stop")
    output = [{"type": "reasoning", "id": "rs_1", "summary": []}]
    return response_event("response.completed", response=response_body(output))


def _failed(_: str) -> bytes:
    error = {"code": "server_error", "message": PROVIDER_TEXT}
    return response_event("response.failed", response=response_body([], "failed", error=error))


_429 = "provider_rate_limited"
_TIMEOUT, _AWAY, _BAD = "provider_timeout", "provider_unavailable", "provider_bad_answer"
_REJECTED, _AUTH = "provider_rejected", "provider_auth"
_PATIENT: dict[str, Any] = {"retry": {"cap_seconds": 3.0}}

STATUS_FAULTS = (
    Fault("latency", (slow(0.1),), None, 1, 0.1),
    Fault("429 for ever", (status(429),), _429, 3),
    Fault("429 once", (status(429), answer), None, 2),
    Fault("429, Retry-After: 1", (status(429, retry_after=1), answer), None, 2, 1.0, policy=_PATIENT),
    Fault("429, Retry-After: 0", (status(429, retry_after=0), answer), None, 2),
    Fault(
        "429, Retry-After: a date in 2 s",
        (status(429, retry_after=date_in(2)), answer),
        None,
        2,
        0.9,
        policy=_PATIENT,
    ),
    Fault("429, Retry-After: a date that is past", (status(429, retry_after=date_in(-60)), answer), None, 2),
    Fault("429, retry-after-ms: 150", (status(429, retry_after_ms=150), answer), None, 2, 0.15),
    Fault("429, Retry-After: nonsense", (status(429, retry_after="soon"), answer), None, 2),
    Fault("429, Retry-After: 60, beyond the cap", (status(429, retry_after=60),), _429, 1),
    Fault("429, Retry-After: a date in an hour", (status(429, retry_after=date_in(3600)),), _429, 1),
    Fault("429, retry-after-ms: 60000", (status(429, retry_after_ms=60000),), _429, 1),
    Fault(
        "429, Retry-After: 1, beyond the time left",
        (status(429, retry_after=1),),
        _429,
        1,
        policy={"retry": {"cap_seconds": 20.0}, "timeouts": {"total_seconds": 0.9}},
    ),
    Fault("500 for ever", (status(500),), _AWAY, 3),
    Fault("500 once", (status(500), answer), None, 2),
    Fault("500, 20 MB of text", (status(500, b"x" * (20 * _MEGABYTE)),), _AWAY, 3),
    Fault("503 for ever", (status(503),), _AWAY, 3),
    Fault("503 twice", (status(503), status(503), answer), None, 3),
    Fault("503, Retry-After: 60", (status(503, retry_after=60),), _429, 1),
    Fault("529 for ever", (status(529),), _AWAY, 3),
    Fault("408 for ever", (status(408),), _TIMEOUT, 3),
    Fault("408 once", (status(408), answer), None, 2),
    Fault("429, then 500, then an answer", (status(429), status(500), answer), None, 3),
    *(Fault(f"{number}", (status(number),), _REJECTED, 1) for number in (400, 404, 409, 413, 422)),
    *(Fault(f"{number}", (status(number),), _AUTH, 1) for number in (401, 403)),
    Fault("401, its body never comes", (status_without_its_body(401),), _AUTH, 1, aborts=1),
    Fault("400 as HTML", (status(400, _HTML, "text/html"),), _REJECTED, 1),
    Fault("a redirect (302)", (status(302, b"", location="/v1/elsewhere"),), _BAD, 1),
    Fault("a redirect (307)", (status(307, b"", location="http://127.0.0.1:1/v1/"),), _BAD, 1),
    Fault("201", (status(201, b"{}"),), _BAD, 1),
)

_NO_WAY: dict[str, Any] = {"timeouts": {"connect_seconds": 0.1}}

CONNECTION_FAULTS = (
    Fault("connection refused", (answer,), _AWAY, 3, address=lambda _: "http://127.0.0.1:1/v1"),
    Fault("TLS to a plain port", (answer,), _AWAY, 3, policy=_NO_WAY, address=lambda provider: f"https://127.0.0.1:{provider.port}/v1"),
    Fault("a host that does not accept", (answer,), _AWAY, 3, policy=_NO_WAY, address=lambda provider: provider.deaf_url),
    Fault("hang before the first byte", (hang,), _TIMEOUT, 1, 0.4, aborts=1),
    Fault("hang behind the headers", (hang_behind_the_headers,), _TIMEOUT, 1, 0.4, aborts=1),
    Fault("headers without end", (drip_headers,), _TIMEOUT, 1, 0.4, aborts=1),
    Fault("closed before the first byte", (close,), _AWAY, 3),
    Fault("closed before the first byte, once", (close, answer), None, 2),
    Fault("reset before the first byte", (reset,), _AWAY, 3),
    Fault("reset before the first byte, once", (reset, answer), None, 2),
    Fault("something else than HTTP", (no_http,), _AWAY, 3),
    Fault("300 KB of headers", (huge_headers,), _AWAY, 3),
    Fault("reset before the first token", (reset_before_the_first_token,), _AWAY, 3),
    Fault("reset before the first token, once", (reset_before_the_first_token, answer), None, 2),
    Fault("cut before the first token", (close_before_the_first_token,), _AWAY, 3),
    Fault("reset behind an announced item, once", (announced_then_reset, answer), None, 2, apis=(RESPONSES,)),
    Fault("hang in mid-stream", (after_words(2, hang),), _TIMEOUT, 1, 0.4, aborts=1),
    Fault("reset in mid-stream", (after_words(2, reset),), _BAD, 1),
    Fault("cut in mid-stream", (after_words(2, cut),), _BAD, 1),
    Fault("clean end in mid-stream", (after_words(2, end_at_once),), _BAD, 1),
    Fault("clean end before the first token", (after_words(0, end_at_once),), _BAD, 1),
    Fault("one byte at a time, for ever", (drip,), _TIMEOUT, 1, 0.4, aborts=1),
    Fault("comments, for ever", (drip_comments,), _TIMEOUT, 1, 0.4, aborts=1),
    Fault("words, for ever", (drip_words,), _TIMEOUT, 1, 0.4, aborts=1),
    Fault("whole, but the body has no end", (whole_and_stall,), None, 1),
    Fault("whole, then reset", (whole_and_reset,), None, 1),
)  # fmt: skip


def _not_utf8(whole: bytes) -> bytes:
    return whole.replace(b"engines", b"\xff\xfe\x80").replace(b'"x', b'"\xff')


def _half_emoji(whole: bytes) -> bytes:
    return whole.replace(b"engines", b"\\ud83d")


ANSWER_FAULTS = (
    Fault("no finish reason", (finishing(""),), _BAD, 1),
    Fault("no finish reason, no [DONE]", (finishing("", done=False),), _BAD, 1),
    Fault("no finish reason, and no end", (no_finish_and_stall,), _BAD, 1, aborts=1, apis=(CHAT,)),
    Fault("no [DONE]", (finishing("stop", done=False),), None, 1, with_tools=False),
    Fault("the last event without its blank line", (last_event_without_its_blank_line,), None, 1, apis=(CHAT,)),
    Fault("the last event without its blank line", (last_event_without_its_blank_line,), None, 1, apis=(RESPONSES,)),
    Fault("finish_reason length", (finishing("length"),), None, 1, with_tools=False),
    Fault("finish_reason content_filter", (finishing("content_filter"),), _REJECTED, 1),
    Fault("a refusal", (events(_refused),), _REJECTED, 1),
    Fault("garbage", (events(lambda _: b"data: {not json\n\n"),), _BAD, 1),
    Fault("garbage without lines", (events(lambda _: bytes(range(256)) * 64),), _BAD, 1),
    Fault("HTML", (status(200, _HTML, "text/html"),), _BAD, 1),
    Fault("HTML that claims to be a stream", (events(lambda _: _HTML),), _BAD, 1),
    Fault("{}", (status(200, b"{}"),), _BAD, 1),
    Fault("{} as an event", (events(lambda _: b"data: {}\n\n"),), _BAD, 1),
    Fault("null as an event", (events(lambda _: b"data: null\n\n"),), _BAD, 1),
    Fault("a deep nest", (events(lambda _: b"data: " + b"[" * 100_000 + b"\n\n"),), _BAD, 1),
    Fault("an error with status 200", (status(200, _ERROR),), _BAD, 1),
    Fault("an error as an event", (error_in_the_stream,), _BAD, 1),
    Fault("an error behind words", (error_behind_words,), _BAD, 1),
    Fault("response.failed", (events(_failed),), _BAD, 1, apis=(RESPONSES,)),
    Fault("an empty body", (status(200, b""),), _BAD, 1),
    Fault("an empty stream", (events(lambda _: b""),), _BAD, 1),
    Fault("only [DONE]", (events(lambda _: b"data: [DONE]\n\n"),), _BAD, 1),
    Fault("an answer of no words", (events(_nothing_said),), _BAD, 1),
    Fault("thought, but not said", (events(_only_reasoning),), _BAD, 1),
    Fault("20 MB of words", (twenty_megabytes,), _BAD, 1),
    Fault("20 MB in a line", (twenty_megabytes_in_a_line,), _BAD, 1),
    Fault("bad UTF-8", (changed(_not_utf8),), _BAD, 1),
    Fault("half a surrogate pair", (changed(_half_emoji),), None, 1, with_tools=False),
    Fault("content-encoding: gzip", (compressed,), _BAD, 1, aborts=1),
    Fault("usage of the wrong shape", (events(_odd_usage),), _BAD, 1),
    Fault("usage that lacks fields", (events(_half_usage),), None, 1, with_tools=False),
    Fault("a delta of the wrong shape", (events(_odd_delta),), _BAD, 1),
    Fault("output of the wrong shape", (events(_odd_output),), _BAD, 1),
    Fault("a list as an event", (events(lambda _: sse([1, 2])),), _BAD, 1),
)  # fmt: skip

FINE = (
    Fault("an answer", (answer,), None, 1),
    Fault("lines that end in CR LF", (changed(lambda whole: whole.replace(b"\n", b"\r\n")),), None, 1),
    Fault("comments between events", (changed(lambda whole: whole.replace(b"\n\n", b"\n\n: hi\n\n")),), None, 1),
    Fault("a content type in capitals", (changed(lambda whole: whole, "Text/Event-Stream;charset=UTF-8"),), None, 1),
)  # fmt: skip

FAULTS = (*FINE, *STATUS_FAULTS, *CONNECTION_FAULTS, *ANSWER_FAULTS)
