"""A provider whose words are given one by one, by a test or at a pace: chat completions on loopback.

| model | what it does |
|---|---|
| `stepwise` | says what `say` gives it, until `finish` |
| `research` | lists and reads files, then says what `say` gives it, until `finish` |
| `story`, `story-slow` | lists and reads files, then tells a story at a pace |
| `refused`, `failing` | answers 400, or 500 |
"""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

DEADLINE_SECONDS = 30.0
_PACES_SECONDS = {"story": 0.02, "story-slow": 0.5}
_REFUSALS = {"refused": 400, "failing": 500}
STORY = (
    "Release 2026.11 is ready to ship, with two open points.\n\n"
    "1. Migrations: all 14 ran forwards and backwards on a copy of the production database in 3 m 40 s.\n"
    "2. Error budget: 99.94 % over 30 days, 0.04 % above the target. The dip on Tuesday was the cache.\n"
    "3. Open: the changelog does not name the new retention default; docs/settings.md does.\n"
    "4. Open: one flaky test in the import suite. It fails in 3 of 200 runs, always at the same line.\n\n"
    "I suggest to ship after the changelog is mended. The flaky test can wait: it tests the old importer."
)
_USAGE = {"prompt_tokens": 1843, "completion_tokens": 212, "total_tokens": 2055}


class SpeakingProvider:
    """Serves on threads of its own; words go to the newest call that waits for them."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._listener: queue.Queue[str | None] | None = None
        self._stopped = threading.Event()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                provider._answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing of callers that went away."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, name="speaking provider")

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def say(self, words: str) -> None:
        """Give words to the newest call; waits for one."""
        self._give(words)

    def finish(self) -> None:
        self._give(None)
        self.forget()

    def forget(self) -> None:
        """Let the newest call be: its caller is gone, and the next words are for the next call."""
        with self._changed:
            self._listener = None

    def _give(self, words: str | None) -> None:
        with self._changed:
            found = self._changed.wait_for(lambda: self._listener is not None, DEADLINE_SECONDS)
            assert found, "no call came that waits for words"
            assert self._listener is not None
            self._listener.put(words)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        request = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        model = request["model"]
        if status := _REFUSALS.get(model):
            body = b'{"error": {"message": "no", "type": "fake", "code": "fake"}}'
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
            return
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for chunk in self._chunks(model, request["messages"]):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        handler.wfile.write(b"0\r\n\r\n")

    def _chunks(self, model: str, messages: list[dict[str, Any]]) -> Iterator[bytes]:
        answers = sum(message["role"] == "tool" for message in messages)
        if model != "stepwise" and answers == 0:
            yield from _calls([("files_list", {"path": "."})])
        elif model != "stepwise" and answers == 1:
            yield from _calls(
                [("files_read", {"path": "changelog.md"}), ("files_read", {"path": "missing.md"})]
            )
        else:
            pieces = self._paced(_PACES_SECONDS[model]) if model in _PACES_SECONDS else self._given()
            for piece in pieces:
                yield _chunk({"role": "assistant", "content": piece})
            yield _chunk({}, "stop")
        yield _frame({"choices": [], "usage": _USAGE}) + b"data: [DONE]\n\n"

    def _given(self) -> Iterator[str]:
        given: queue.Queue[str | None] = queue.Queue()
        with self._changed:
            self._listener = given
            self._changed.notify_all()
        while not self._stopped.is_set():
            try:
                words = given.get(timeout=1)
            except queue.Empty:
                continue
            if words is None:
                return
            yield words

    def _paced(self, seconds: float) -> Iterator[str]:
        for word in STORY.split(" "):
            if self._stopped.wait(seconds):
                return
            yield f"{word} "


def _calls(calls: list[tuple[str, dict[str, Any]]]) -> Iterator[bytes]:
    for index, (name, arguments) in enumerate(calls):
        function = {"name": name, "arguments": json.dumps(arguments)}
        call = {"index": index, "id": f"call_{name}_{index}", "type": "function", "function": function}
        yield _chunk({"role": "assistant", "tool_calls": [call]})
    yield _chunk({}, "tool_calls")


def _chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    return _frame({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def _frame(fields: dict[str, Any]) -> bytes:
    chunk = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "fake", **fields}
    return f"data: {json.dumps(chunk)}\n\n".encode()


@contextmanager
def speaking_provider() -> Iterator[SpeakingProvider]:
    provider = SpeakingProvider()
    provider.start()
    try:
        yield provider
    finally:
        provider.stop()
