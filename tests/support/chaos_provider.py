"""A provider for conversations of several turns, and a web page for their tools; it remembers every call.

A job's input is its script: `MARKER PLAN PACE_MS`. PLAN has a letter per turn, and a last turn answers in words:

| letter | the turn asks for |
|---|---|
| `w`, `2` | one page by `web.fetch`, or two side by side |
| `-` | nothing: it answers in words already |
| `f` | `files.read` of the notes |
| `p` | `files.read` of a fifo |
| `s` | a page that never comes, until the caller goes away |
| `h` | nothing: it says no word until `let_go` |
| `x` | nothing: whoever watches for the marker ends the process meanwhile |
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.wire_answers import chat_chunk

DEADLINE_SECONDS = 30.0
_USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
_PIECES = 3
_CLOSE = "connection: close\r\n\r\n"


@dataclass
class Call:
    """One call of a model (`index` None) or of a page, by the clock of the machine."""

    marker: str
    turn: int
    index: int | None
    began_at: float
    delivered: bool = False
    gone: bool = False


@dataclass(frozen=True)
class Script:
    marker: str
    plan: str
    pace_seconds: float

    @classmethod
    def parse(cls, text: str) -> "Script":
        marker, plan, pace_ms = text.split()
        return cls(marker, plan, float(pace_ms) / 1000)

    def answer(self, tool_answers: int) -> str:
        return f"{self.marker} read {tool_answers} answers"


def script(marker: str, plan: str = "w", pace_ms: float = 5) -> str:
    """Write the input of a job."""
    return f"{marker} {plan} {pace_ms:g}"


def expected_answer(text: str) -> str:
    """Return what a job with this input must answer."""
    asked = Script.parse(text)
    return asked.answer(sum(2 if letter == "2" else 1 for letter in asked.plan if letter in "w2fp"))


@dataclass
class ChaosProvider:
    """Serves on a thread of its own."""

    calls: list[Call] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    on_call: Callable[[Call], None] | None = None
    port: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _let_go: asyncio.Event = field(default_factory=asyncio.Event)
    _loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.new_event_loop)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, marker: str, *, tools: bool = False) -> list[Call]:
        with self._changed:
            return [
                call for call in self.calls if call.marker == marker and (call.index is not None) is tools
            ]

    def wait(self, condition: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, seconds), f"not in time: {what}"

    def wait_calls(self, marker: str, times: int = 1, *, tools: bool = False) -> None:
        self.wait(lambda: len(self.of(marker, tools=tools)) >= times, f"{times} calls of {marker}")

    def wait_gone(self, marker: str) -> None:
        self.wait(lambda: any(call.gone for call in self.calls if call.marker == marker), f"{marker} gone")

    def let_go(self) -> None:
        self._loop.call_soon_threadsafe(self._let_go.set)

    def hold(self) -> None:
        self._loop.call_soon_threadsafe(self._let_go.clear)

    def _note(self, call: Call) -> Call:
        with self._changed:
            self.calls.append(call)
            self._changed.notify_all()
        if self.on_call is not None:
            self.on_call(call)
        return call

    def _ended(self, call: Call, *, delivered: bool) -> None:
        with self._changed:
            call.delivered, call.gone = delivered, not delivered
            self._changed.notify_all()

    async def serve(self, started: threading.Event, stopped: asyncio.Event) -> None:
        server = await asyncio.start_server(self._on_connection, "127.0.0.1", 0, limit=1 << 20)
        self.port = server.sockets[0].getsockname()[1]
        started.set()
        await stopped.wait()
        server.close()

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request; each has a connection of its own, whose end tells who went away."""
        try:
            call, answering = await self._read(reader, writer)
            await self._deliver(call, reader, writer, answering)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[Call, Any]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, path, _ = head.split(" ", 2)
        if method == "GET":
            _, _, marker, turn, index, pace_ms = path.split("/")
            call = self._note(Call(marker, int(turn), int(index), time.time()))
            return call, self._page(call, float(pace_ms) / 1000, writer)
        length = next(line for line in head.splitlines() if line.lower().startswith("content-length:"))
        messages = json.loads(await reader.readexactly(int(length.partition(":")[2])))["messages"]
        asked = Script.parse(_first_words(messages))
        turn_number = 1 + sum(message["role"] == "assistant" for message in messages)
        self._look_for_foreign(asked, messages)
        call = self._note(Call(asked.marker, turn_number, None, time.time()))
        return call, self._speak(asked, turn_number, messages, writer)

    async def _deliver(
        self, call: Call, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answering: Any
    ) -> None:
        """Answer unless the caller goes away before."""
        answered = asyncio.ensure_future(answering)
        gone = asyncio.ensure_future(reader.read(1))
        try:
            await asyncio.wait({answered, gone}, return_when=asyncio.FIRST_COMPLETED)
            delivered = answered.done() and answered.exception() is None
            self._ended(call, delivered=delivered)
        finally:
            for task in (answered, gone):
                task.cancel()
            await asyncio.wait({answered, gone})

    async def _page(self, call: Call, pace_seconds: float, writer: asyncio.StreamWriter) -> None:
        if pace_seconds < 0:
            await asyncio.Event().wait()
        await asyncio.sleep(pace_seconds)
        body = f"page for {call.marker}".encode()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n{_CLOSE}"
        writer.write(head.encode() + body)
        await writer.drain()

    async def _speak(self, asked: Script, turn: int, messages: Any, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n{_CLOSE}"
        letter = asked.plan[turn - 1] if turn <= len(asked.plan) else ""
        if letter and letter in "hx":
            await self._let_go.wait()
        writer.write(head.encode())
        for number, body in enumerate(self._chunks(asked, turn, letter, messages)):
            await asyncio.sleep(asked.pace_seconds / _PIECES if number else 0)
            writer.write(b"%x\r\n%s\r\n" % (len(body), body))
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        await writer.drain()

    def _chunks(self, asked: Script, turn: int, letter: str, messages: Any) -> Iterator[bytes]:
        calls = list(self._tool_calls(asked, turn, letter))
        if calls:
            for call in calls:
                yield chat_chunk({"role": "assistant", "tool_calls": [call]})
            yield chat_chunk({}, "tool_calls")
        else:
            words = asked.answer(sum(message["role"] == "tool" for message in messages)).split(" ")
            for number, word in enumerate(words):
                yield chat_chunk({"role": "assistant", "content": word if number == 0 else f" {word}"})
            yield chat_chunk({}, "stop")
        yield chat_chunk({}, choices=[], usage=_USAGE) + b"data: [DONE]\n\n"

    def _tool_calls(self, asked: Script, turn: int, letter: str) -> Iterator[dict[str, Any]]:
        if letter and letter in "fp":
            yield _tool_call(turn, 0, "files_read", {"path": "notes.md" if letter == "f" else "fifo"})
        pages = {"w": 1, "2": 2, "s": 1}.get(letter, 0)
        pace_ms = -1 if letter == "s" else asked.pace_seconds * 1000
        for index in range(pages):
            url = f"{self.origin}/page/{asked.marker}/{turn}/{index}/{pace_ms:g}"
            yield _tool_call(turn, index, "web_fetch", {"url": url})

    def _look_for_foreign(self, asked: Script, messages: Any) -> None:
        """Keep what a job was told that belongs to another."""
        for message in messages:
            text = json.dumps(message["content"])
            if message["role"] == "tool" and "page for " in text and f"page for {asked.marker}" not in text:
                self.foreign.append(f"{asked.marker}: {text}")


def _tool_call(turn: int, index: int, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    function = {"name": name, "arguments": json.dumps(arguments)}
    return {"index": index, "id": f"call_{turn}_{index}", "type": "function", "function": function}


def _first_words(messages: Any) -> str:
    content = next(message["content"] for message in messages if message["role"] == "user")
    return content if isinstance(content, str) else str(content[0]["text"])


@contextmanager
def chaos_provider() -> Iterator[ChaosProvider]:
    provider = ChaosProvider()
    started, stopped = threading.Event(), asyncio.Event()
    loop = provider._loop

    async def serve() -> None:
        await provider.serve(started, stopped)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),), name="chaos provider")
    thread.start()
    assert started.wait(DEADLINE_SECONDS)
    try:
        yield provider
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()


def chaos_settings(provider: ChaosProvider, **agent: Any) -> dict[str, Any]:
    """Settings with one agent, `chaos`, that talks to the provider and reads its pages."""
    defaults = {
        "provider": "fake",
        "model": "chaos",
        "tools": ["files.read", "web.fetch"],
        "max_attempts": 10,
        "timeout_seconds": 120,
    }
    return {
        "providers": {
            "fake": {
                "kind": "openai_compatible",
                "base_url": f"{provider.origin}/v1",
                "max_concurrent_calls": 64,
            }
        },
        "agents": {"chaos": {**defaults, **agent}},
        "tools": {"web": {"allowed_domains": ["127.0.0.1"], "allow_http": True, "timeout_seconds": 30}},
    }
