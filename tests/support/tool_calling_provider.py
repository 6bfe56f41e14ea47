"""A provider whose model calls the tools that the job's input names, and then says what it read of them.

The input is JSON: a list of turns, each a list of `[wire name, arguments]`; arguments that are text go out as
they are.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.wire_answers import chat_chunk

_USAGE = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}


class ToolCallingProvider:
    """Serves on threads of its own and counts its calls."""

    def __init__(self) -> None:
        self.calls = 0
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                provider.calls += 1
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body = b"".join(_answer(request["messages"]))
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    def settings(self, *tools: str, **tool_settings: Any) -> dict[str, Any]:
        """Settings with one agent, `caller`, that has these tools."""
        return {
            "providers": {
                "calling": {
                    "kind": "openai_compatible",
                    "base_url": f"http://127.0.0.1:{self.server.server_port}/v1",
                }
            },
            "agents": {"caller": {"provider": "calling", "model": "calling", "tools": list(tools)}},
            "tools": tool_settings,
        }


def _answer(messages: list[dict[str, Any]]) -> Iterator[bytes]:
    turns = json.loads(next(message["content"] for message in messages if message["role"] == "user"))
    turn = sum(message["role"] == "assistant" for message in messages)
    if turn < len(turns):
        for index, (name, arguments) in enumerate(turns[turn]):
            text = arguments if isinstance(arguments, str) else json.dumps(arguments)
            call = {"index": index, "id": f"call_{turn}_{index}", "type": "function"}
            yield chat_chunk(
                {"role": "assistant", "tool_calls": [{**call, "function": {"name": name, "arguments": text}}]}
            )
        yield chat_chunk({}, "tool_calls")
    else:
        read = [message["content"] for message in messages if message["role"] == "tool"]
        yield chat_chunk({"role": "assistant", "content": json.dumps(read)})
        yield chat_chunk({}, "stop")
    yield chat_chunk({}, choices=[], usage=_USAGE) + b"data: [DONE]\n\n"


@contextmanager
def tool_calling_provider() -> Iterator[ToolCallingProvider]:
    provider = ToolCallingProvider()
    thread = threading.Thread(target=provider.server.serve_forever, name="tool calling provider")
    thread.start()
    try:
        yield provider
    finally:
        provider.server.shutdown()
        thread.join()
        provider.server.server_close()
