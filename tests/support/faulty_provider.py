"""A provider on real sockets that breaks in every way there is, as told for each model.

It speaks chat completions, responses and the list of models, and counts each call and each caller that
went away before its answer was whole.
"""

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.wire_answers import CHAT, RESPONSES, WireAnswer, wire_answer

DEADLINE_SECONDS = 15.0
EVENT_STREAM = "text/event-stream; charset=utf-8"
#: The model whose name a request for the list of models is planned and counted by.
MODELS = "(models)"
_ABORT = struct.pack("ii", 1, 0)
_PATHS = {"/v1/chat/completions": CHAT, "/v1/responses": RESPONSES, "/v1/models": MODELS}


class GoneError(Exception):
    """The caller went away."""


@dataclass
class Exchange:
    """One request, and the means to answer it well or badly."""

    api: str
    body: dict[str, Any]
    headers: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    gate: asyncio.Event
    _gone: asyncio.Task[bytes] | None = None

    @property
    def answer(self) -> WireAnswer:
        """The right answer: one tool call first where a model is called `tool…`."""
        return wire_answer(self.api, tool=self.wants_tool)

    @property
    def wants_tool(self) -> bool:
        messages = self.body.get("messages") or self.body.get("input") or []
        answered = any(
            isinstance(each, dict)
            and (each.get("role") == "tool" or each.get("type") == "function_call_output")
            for each in messages
        )
        return str(self.body.get("model")).startswith("tool") and not answered

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self.writer.write(part)
        try:
            await self.writer.drain()
        except ConnectionError:
            raise GoneError from None

    async def head(
        self, status: int = 200, content_type: str | None = EVENT_STREAM, **headers: str | int
    ) -> None:
        """Send status and headers; without a `content_length` the body is chunked."""
        if "content_length" not in headers:
            headers["transfer_encoding"] = "chunked"
        if content_type is not None:
            headers["content_type"] = content_type
        lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items()]
        await self.send(f"HTTP/1.1 {status} Faulty\r\n{''.join(lines)}\r\n".encode())

    async def document(self, body: bytes, status: int = 200, content_type: str = "application/json") -> None:
        await self.head(status, content_type, content_length=len(body))
        await self.send(body)

    async def chunk(self, *parts: bytes) -> None:
        for part in parts:
            await self.send(b"%x\r\n%s\r\n" % (len(part), part))

    async def end_chunks(self) -> None:
        await self.send(b"0\r\n\r\n")

    async def stream(self, *parts: bytes) -> None:
        """Send a whole stream of events."""
        await self.head()
        await self.chunk(*parts)
        await self.end_chunks()

    async def stay(self) -> None:
        """Say nothing more until the caller is gone."""
        while not await self.gone_within(None):
            pass
        raise GoneError

    async def pause(self, seconds: float) -> None:
        """Let time pass: slowness is what this provider is asked for."""
        if await self.gone_within(seconds):
            raise GoneError

    async def until_gate(self) -> None:
        """Say nothing until the gate is opened or the caller is gone."""
        opened = asyncio.create_task(self.gate.wait())
        gone = self._reading()
        try:
            await asyncio.wait({opened, gone}, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                raise GoneError
        finally:
            opened.cancel()
            await asyncio.wait({opened})

    async def gone_within(self, seconds: float | None) -> bool:
        done, _ = await asyncio.wait({self._reading()}, timeout=seconds)
        return bool(done)

    def _reading(self) -> asyncio.Task[bytes]:
        if self._gone is None:
            self._gone = asyncio.create_task(_until_eof(self.reader))
        return self._gone

    def reset(self) -> None:
        """Cut the connection with an RST, as a crashed process behind a proxy does."""
        opened: socket.socket = self.writer.get_extra_info("socket")
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self.writer.transport.abort()

    async def close(self) -> None:
        if self._gone is not None:
            self._gone.cancel()
            await asyncio.wait({self._gone})

    @property
    def can_go_on(self) -> bool:
        return self._gone is None and not self.writer.is_closing()


async def _until_eof(reader: asyncio.StreamReader) -> bytes:
    with contextlib.suppress(ConnectionError):
        return await reader.read(1)
    return b""


#: What is done with one request.
Step = Callable[[Exchange], Awaitable[None]]


async def answer(exchange: Exchange) -> None:
    """Answer well."""
    await exchange.stream(exchange.answer.whole)


@dataclass
class FaultyProvider:
    """Serves on a thread of its own."""

    _changed: threading.Condition = field(default_factory=threading.Condition)
    _calls: Counter[str] = field(default_factory=Counter)
    _aborted: Counter[str] = field(default_factory=Counter)
    _open: Counter[str] = field(default_factory=Counter)
    _most_open: Counter[str] = field(default_factory=Counter)
    _moments: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    _plans: dict[str, tuple[Step, ...]] = field(default_factory=dict)
    _deaf: list[socket.socket] = field(default_factory=list)
    requests: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    connections: int = 0
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def deaf_url(self) -> str:
        """Where a connection is never accepted: one waits already, and there is no room for another."""
        if not self._deaf:
            listening = socket.create_server(("127.0.0.1", 0), backlog=0)
            waiting = socket.create_connection(listening.getsockname())
            self._deaf += [listening, waiting]
        return f"http://127.0.0.1:{self._deaf[0].getsockname()[1]}/v1"

    def plan(self, model: str, *steps: Step) -> None:
        """Tell what to do with the calls of a model, one after the other; the last step is for all others."""
        with self._changed:
            self._plans[model] = steps

    def calls(self, model: str) -> int:
        with self._changed:
            return self._calls[model]

    def aborted(self, model: str) -> int:
        with self._changed:
            return self._aborted[model]

    def open(self, model: str) -> int:
        """How many calls of a model are being answered now."""
        with self._changed:
            return self._open[model]

    def most_open(self, model: str) -> int:
        with self._changed:
            return self._most_open[model]

    def moments(self, model: str) -> list[float]:
        """Return when the calls of a model came, in seconds of the monotonic clock."""
        with self._changed:
            return list(self._moments[model])

    def wait_called(self, model: str, times: int) -> None:
        self._wait(lambda: self._calls[model] >= times, f"{times} calls of {model}")

    def wait_aborted(self, model: str, times: int) -> None:
        self._wait(lambda: self._aborted[model] >= times, f"{times} aborted calls of {model}")

    def wait_idle(self, model: str) -> None:
        self._wait(lambda: self._open[model] == 0, f"end of all calls of {model}")

    def open_gate(self) -> None:
        self.loop.call_soon_threadsafe(self.gate.set)

    def close_gate(self) -> None:
        self.loop.call_soon_threadsafe(self.gate.clear)

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, DEADLINE_SECONDS), f"no {what} in time"

    async def serve(self, started: threading.Event, stopped: asyncio.Event) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=1024)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await stopped.wait()
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
            await asyncio.wait([task])

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request and tell whether another may follow."""
        path, headers, body = await _read_request(reader)
        api = _PATHS[path]
        model = MODELS if api == MODELS else str(body["model"])
        exchange = Exchange(api, body, headers, reader, writer, self.gate)
        step = self._begin(model, headers, body)
        gone = False
        try:
            await step(exchange)
        except GoneError:
            gone = True
        finally:
            await exchange.close()
            self._end(model, gone=gone)
        return not gone and exchange.can_go_on

    def _begin(self, model: str, headers: dict[str, str], body: dict[str, Any]) -> Step:
        with self._changed:
            steps = self._plans.get(model, (answer,))
            step = steps[min(self._calls[model], len(steps) - 1)]
            self._calls[model] += 1
            self._moments[model].append(time.monotonic())
            self._open[model] += 1
            self._most_open[model] = max(self._most_open[model], self._open[model])
            self.requests.append((headers, body))
            self._changed.notify_all()
        return step

    def _end(self, model: str, *, gone: bool) -> None:
        with self._changed:
            self._open[model] -= 1
            self._aborted[model] += gone
            self._changed.notify_all()


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], dict[str, Any]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    request_line, *lines = head.strip().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    text = await reader.readexactly(int(headers.get("content-length", 0)))
    return request_line.split()[1], headers, json.loads(text) if text else {}


@contextlib.contextmanager
def faulty_provider(plans: Mapping[str, tuple[Step, ...]] | None = None) -> Iterator[FaultyProvider]:
    provider = FaultyProvider()
    for model, steps in (plans or {}).items():
        provider.plan(model, *steps)
    started, stopped = threading.Event(), asyncio.Event()
    thread = threading.Thread(
        target=provider.loop.run_until_complete,
        args=(provider.serve(started, stopped),),
        name="faulty provider",
    )
    thread.start()
    assert started.wait(DEADLINE_SECONDS)
    try:
        yield provider
    finally:
        provider.loop.call_soon_threadsafe(stopped.set)
        thread.join()
        provider.loop.close()
        for opened in provider._deaf:
            opened.close()
