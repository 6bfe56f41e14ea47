"""A provider that speaks OpenAI's chat completions on loopback and does what the model's name says.

| model | what it does |
|---|---|
| `text` | answers in pieces |
| `tool`, `tool-forever` | calls `files_list` once, or in every turn |
| `hang-first`, `hang-middle` | says nothing, or stops in mid-stream, until the caller goes away |
| `gate` | answers once `open_gate` was called |
| `status-NNN` | refuses with this status and a secret in its text |
| `no-finish`, `content-filter`, `empty`, `html`, `garbage`, `error-200`, `surrogate` | bad answers |
| `length` | stops because the answer is as long as it may be |
| `flood` | answers in 500 pieces |
| `bulk` | answers with a megabyte and more in large pieces |
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

PIECES = ("Cancel ", "closes ", "the ", "connection.")
ANSWER = "".join(PIECES)
#: Stands in every refusal: it must not be found anywhere behind the provider.
PROVIDER_TEXT = "sk-the-providers-own-words"
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
DEADLINE_SECONDS = 15.0


class FakeProvider:
    """Serves on a thread of its own; counts calls and callers that went away, by model."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._calls: Counter[str] = Counter()
        self._aborted: Counter[str] = Counter()
        self.requests: list[dict[str, Any]] = []
        self._loop = asyncio.new_event_loop()
        self._gate = asyncio.Event()
        self._port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def calls(self, model: str) -> int:
        with self._changed:
            return self._calls[model]

    def aborted(self, model: str) -> int:
        with self._changed:
            return self._aborted[model]

    def wait_called(self, model: str, times: int) -> None:
        self._wait(lambda: self._calls[model] >= times, f"{times} calls of {model}")

    def wait_aborted(self, model: str, times: int) -> None:
        self._wait(lambda: self._aborted[model] >= times, f"{times} aborted calls of {model}")

    def open_gate(self) -> None:
        self._loop.call_soon_threadsafe(self._gate.set)

    def close_gate(self) -> None:
        self._loop.call_soon_threadsafe(self._gate.clear)

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE_SECONDS), f"no {what} in time"

    def _count(self, counter: Counter[str], model: str) -> None:
        with self._changed:
            counter[model] += 1
            self._changed.notify_all()

    async def _serve(self, started: threading.Event, stopped: asyncio.Event) -> None:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        started.set()
        await stopped.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader)) is not None:
                with self._changed:
                    self.requests.append(request)
                self._count(self._calls, request["model"])
                if not await self._answer_one(request, reader, writer):
                    return
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer_one(
        self, request: dict[str, Any], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer and return whether the connection can be used again."""
        model = request["model"]
        if refusal := _refusal(model):
            writer.write(refusal)
            await writer.drain()
            return False
        hangs = model in ("hang-first", "hang-middle") or (model == "gate" and not self._gate.is_set())
        if hangs and model != "hang-middle" and not await self._stay(model, reader):
            return False
        writer.write(_head(200, "text/event-stream", "transfer-encoding: chunked\r\n"))
        async for body in _body(request):
            writer.write(_chunk(body))
            await writer.drain()
            if model == "hang-middle" and not await self._stay(model, reader):
                return False
        writer.write(_chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await writer.drain()
        return True

    async def _stay(self, model: str, reader: asyncio.StreamReader) -> bool:
        """Say nothing until the caller goes away; True where the gate was opened before."""
        gone = asyncio.create_task(reader.read(1))
        opened = asyncio.create_task(self._gate.wait() if model == "gate" else asyncio.Event().wait())
        try:
            await asyncio.wait({gone, opened}, return_when=asyncio.FIRST_COMPLETED)
            if opened.done():
                return True
            gone.exception()
            self._count(self._aborted, model)
            return False
        finally:
            for task in (gone, opened):
                task.cancel()
            await asyncio.wait({gone, opened})


@contextmanager
def fake_provider() -> Iterator[FakeProvider]:
    provider = FakeProvider()
    started, stopped = threading.Event(), asyncio.Event()
    loop = provider._loop

    async def serve() -> None:
        await provider._serve(started, stopped)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.wait([task])

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="fake provider")
    thread.start()
    assert started.wait(DEADLINE_SECONDS)
    try:
        yield provider
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()


async def _read_request(reader: asyncio.StreamReader) -> dict[str, Any] | None:
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [
        int(line.partition(b":")[2])
        for line in head.splitlines()
        if line.lower().startswith(b"content-length:")
    ]
    if not lengths:
        return None
    request: dict[str, Any] = json.loads(await reader.readexactly(lengths[0]))
    return request


async def _body(request: dict[str, Any]) -> AsyncIterator[bytes]:
    model = request["model"]
    answered = any(message["role"] == "tool" for message in request["messages"])
    if model == "tool-forever" or (model == "tool" and not answered):
        call = {"index": 0, "id": "call_1", "type": "function"}
        yield _data({"tool_calls": [{**call, "function": {"name": "files_list", "arguments": ""}}]})
        yield _data({"tool_calls": [{"index": 0, "function": {"arguments": '{"path": "."}'}}]})
        yield _data({}, finish="tool_calls")
    elif model == "garbage":
        yield b"data: {not json\n\n"
    elif model == "error-200":
        yield b'data: {"error": {"message": "' + PROVIDER_TEXT.encode() + b'", "code": 500}}\n\n'
    elif model == "empty":
        return
    elif model == "surrogate":
        yield b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
        yield b'"delta":{"role":"assistant","content":"half \\ud83d of it"},"finish_reason":null}]}\n\n'
        yield _data({}, finish="stop")
    else:
        for text in _pieces(model):
            yield _data({"role": "assistant", "content": text})
        finish = {"no-finish": None, "content-filter": "content_filter", "length": "length"}
        yield _data({}, finish=finish.get(model, "stop"))
    yield _event({"choices": [], "usage": USAGE})


def _pieces(model: str) -> Iterator[str]:
    if model == "flood":
        yield from (f"piece {number:06d} " for number in range(500))
    elif model == "bulk":
        yield from ("é" * 4000 for _ in range(150))
    else:
        yield from PIECES


def _data(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return _event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _event(fields: dict[str, Any]) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fake", **fields}
    return f"data: {json.dumps(chunk)}\n\n".encode()


def _refusal(model: str) -> bytes | None:
    if model.startswith("status-"):
        body = json.dumps({"error": {"message": PROVIDER_TEXT, "type": "fake", "code": "fake"}}).encode()
        status = int(model.removeprefix("status-"))
        return _head(status, "application/json", f"content-length: {len(body)}\r\n") + body
    if model == "html":
        body = f"<html><body>{PROVIDER_TEXT}</body></html>".encode()
        return _head(200, "text/html", f"content-length: {len(body)}\r\n") + body
    return None


def _head(status: int, content_type: str, rest: str) -> bytes:
    return f"HTTP/1.1 {status} Fake\r\ncontent-type: {content_type}\r\n{rest}\r\n".encode()


def _chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)
