"""A provider that calls the tools a job's input names: chat completions on loopback.

The input is JSON: a list of turns, each a list of calls `{"tool": "files_list", "arguments": {…}}`. After the
last turn it answers with what the tools answered, as a JSON list.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Turn = Sequence[dict[str, Any]]


def call(tool: str, /, **arguments: Any) -> dict[str, Any]:
    return {"tool": tool, "arguments": arguments}


def script(*turns: Turn) -> str:
    return json.dumps([list(turn) for turn in turns])


class CallingProvider:
    """Serves on threads of its own; keeps the requests."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["content-length"])))
                provider.requests.append(request)
                body = _answer(request)
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="calling provider")

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def offered(self) -> set[str]:
        """Return the names of the tools in the last request."""
        return {tool["function"]["name"] for tool in self.requests[-1].get("tools", [])}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def calling_provider() -> Iterator[CallingProvider]:
    provider = CallingProvider()
    provider.start()
    try:
        yield provider
    finally:
        provider.stop()


def _answer(request: dict[str, Any]) -> bytes:
    messages = request["messages"]
    (asked,) = (message["content"] for message in messages if message["role"] == "user")
    turns = json.loads(asked)
    turn = sum(1 for message in messages if message["role"] == "assistant")
    if turn < len(turns):
        calls = [
            {
                "index": index,
                "id": f"call_{turn}_{index}",
                "type": "function",
                "function": {"name": each["tool"], "arguments": json.dumps(each["arguments"])},
            }
            for index, each in enumerate(turns[turn])
        ]
        return _stream({"role": "assistant", "tool_calls": calls}, "tool_calls")
    answers = [message["content"] for message in messages if message["role"] == "tool"]
    return _stream({"role": "assistant", "content": json.dumps(answers)}, "stop")


def _stream(delta: dict[str, Any], finish: str) -> bytes:
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    parts: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
        {"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]},
        {"choices": [], "usage": usage},
    ]
    head = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "calling"}
    lines = [f"data: {json.dumps(head | part)}\n\n" for part in parts]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()
