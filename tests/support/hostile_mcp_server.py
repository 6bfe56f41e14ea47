"""An MCP server of the 2025-11-25 revision that misbehaves as it is told: by its tools, and by its arguments.

Standard library only, so that it starts in a moment. Arguments: `--hang` never answers the handshake, `--exit CODE`
ends at once, `--stubborn` outlives the end of its input and SIGTERM, `--leak NAME` writes that variable to stderr.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

STUBBORN = "import signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
EVIL_SCHEMA = {"type": "object", "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}}}
ASKED = {
    "sampling/createMessage": {"messages": [], "maxTokens": 1},
    "elicitation/create": {"message": "?", "requestedSchema": {"type": "object", "properties": {}}},
    "roots/list": {},
}


class HostileServer:
    def __init__(self) -> None:
        self.tools = [
            *("echo", "hang", "cancelled", "wait", "release", "garbage", "huge", "die", "flood", "spawn"),
            *("change_tools", "ask", "write_errors", "go_deaf", "evil_pattern", "environment", "surrogate"),
            *("fail", "refuse", "blocks", "ask_often", "dense"),
        ]
        self.cancelled_ids: list[Any] = []
        self.waiting: list[Any] = []
        self.asked: dict[str, Any] = {}
        self.is_deaf = False

    def send(self, **message: Any) -> None:
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
        sys.stdout.flush()

    def answer(self, request_id: Any, text: str, **more: Any) -> None:
        self.send(id=request_id, result={"content": [{"type": "text", "text": text}], **more})

    def serve(self) -> None:
        for line in sys.stdin:
            message = json.loads(line)
            if self.is_deaf:
                continue
            if "method" in message:
                self.take(message["method"], message.get("id"), message.get("params") or {})
            elif (request_id := self.asked.pop(str(message.get("id")), None)) is not None:
                self.answer(request_id, json.dumps(message.get("error") or message.get("result")))

    def take(self, method: str, request_id: Any, params: dict[str, Any]) -> None:
        if method == "initialize":
            self.send(
                id=request_id,
                result={
                    "protocolVersion": "2025-11-25",
                    "capabilities": {"tools": {"listChanged": True}},
                    "serverInfo": {"name": "hostile", "version": "6.6.6"},
                },
            )
        elif method == "tools/list":
            self.send(id=request_id, result={"tools": [self.described(name) for name in self.tools]})
        elif method == "tools/call":
            behaviour: Callable[..., None] = getattr(self, params["name"])
            behaviour(request_id, params.get("arguments") or {}, params.get("_meta") or {})
        elif method == "notifications/cancelled":
            self.cancelled_ids.append(params["requestId"])
        elif method == "ping":
            self.send(id=request_id, result={})
        elif request_id is not None:
            self.send(id=request_id, error={"code": -32601, "message": "Method not found"})

    def described(self, name: str) -> dict[str, Any]:
        tool: dict[str, Any] = {
            "name": name,
            "description": f"does {name}",
            "inputSchema": {"type": "object"},
        }
        if name == "echo":
            tool["annotations"] = {"readOnlyHint": True, "idempotentHint": True, "destructiveHint": False}
        if name == "evil_pattern":
            tool["outputSchema"] = EVIL_SCHEMA
        return tool

    def echo(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        self.answer(request_id, str(arguments.get("text", "")))

    def hang(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        """Never answer, but tell that the call has arrived."""
        if "progressToken" in meta:
            progress = {"progressToken": meta["progressToken"], "progress": 1, "message": str(request_id)}
            self.send(method="notifications/progress", params=progress)

    def wait(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        self.waiting.append(request_id)
        self.hang(request_id, arguments, meta)

    def release(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        for waiting in self.waiting:
            self.answer(waiting, "released")
        self.answer(request_id, str(len(self.waiting)))
        self.waiting.clear()

    def cancelled(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        self.answer(request_id, json.dumps(self.cancelled_ids))

    def garbage(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        sys.stdout.write('Loading...\n{"half": \n\n[1, 2]\nnull\n{"jsonrpc": "1.0"}\n')
        sys.stdout.flush()
        sys.stdout.buffer.write(b"\xff\xfe\x00 not text\n")
        sys.stdout.buffer.flush()
        self.answer(request_id, "after the garbage")

    def huge(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        self.answer(request_id, "x" * int(arguments["bytes"]))

    def die(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        sys.stderr.write("about to die\n")
        sys.stderr.flush()
        os._exit(int(arguments.get("code", 3)))

    def flood(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        count = int(arguments["count"])
        for number in range(count):
            progress = {"progressToken": meta["progressToken"], "progress": number, "total": count}
            self.send(method="notifications/progress", params={**progress, "message": f"step {number}"})
        self.answer(request_id, "flooded")

    def spawn(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        """Start a child that ignores SIGTERM, and another in a session of its own whose parent is gone."""
        child = subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        child.stdout.readline()
        daemon = (
            "import subprocess,sys;"
            f"p=subprocess.Popen([sys.executable,'-c',{STUBBORN!r}],start_new_session=True,stdout=subprocess.PIPE);"
            "p.stdout.readline(); print(p.pid)"
        )
        done = subprocess.run([sys.executable, "-c", daemon], stdout=subprocess.PIPE, text=True, check=True)
        self.answer(request_id, json.dumps([child.pid, int(done.stdout)]))

    def change_tools(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        self.tools = ["echo", "change_tools", *arguments["add"]]
        self.send(method="notifications/tools/list_changed")
        self.answer(request_id, "changed")

    def ask(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        method = arguments["method"]
        self.asked["question"] = request_id
        self.send(id="question", method=method, params=ASKED[method])

    def ask_often(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        for number in range(int(arguments["count"])):
            self.send(
                id=f"q{number}", method="sampling/createMessage", params=ASKED["sampling/createMessage"]
            )
        self.asked[f"q{int(arguments['count']) - 1}"] = request_id

    def write_errors(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        for number in range(int(arguments["lines"])):
            sys.stderr.write(
                f"line {number} key sk-abcdefghijklmnop1234567890 {'y' * int(arguments.get('width', 0))}\n"
            )
        sys.stderr.flush()
        self.answer(request_id, "written")

    def go_deaf(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        self.is_deaf = True

    def evil_pattern(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        self.answer(request_id, "", structuredContent={"x": "a" * 40 + "!"})

    def environment(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        self.answer(request_id, json.dumps(dict(os.environ)))

    def surrogate(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        self.answer(request_id, "\ud800")

    def fail(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        self.answer(request_id, str(arguments.get("text", "it did not work")), isError=True)

    def refuse(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        self.send(id=request_id, error={"code": -32602, "message": "these arguments will not do"})

    def blocks(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        content = [
            {"type": "text", "text": "words"},
            {"type": "image", "data": "aGVsbG8=", "mimeType": "image/png"},
            {"type": "audio", "data": "aGVsbG8=", "mimeType": "audio/wav"},
            {"type": "resource_link", "uri": "file:///a.txt", "name": "a"},
            {
                "type": "resource",
                "resource": {"uri": "file:///b.txt", "mimeType": "text/plain", "text": "inside"},
            },
            {"type": "resource", "resource": {"uri": "file:///c.bin", "blob": "aGVsbG8="}},
        ]
        self.send(id=request_id, result={"content": content})

    def dense(self, request_id: Any, arguments: dict[str, Any], meta: dict[str, Any]) -> None:
        content = [{"type": "text", "text": ""}] * int(arguments["blocks"])
        self.send(id=request_id, result={"content": content})


def main() -> None:
    flags = sys.argv[1:]
    if "--leak" in flags:
        sys.stderr.write(f"my key is {os.environ[flags[flags.index('--leak') + 1]]}\n")
        sys.stderr.flush()
    if "--exit" in flags:
        sys.exit(int(flags[flags.index("--exit") + 1]))
    if "--stubborn" in flags:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "--hang" in flags:
        while True:
            signal.pause()
    HostileServer().serve()
    if "--stubborn" in flags:
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
