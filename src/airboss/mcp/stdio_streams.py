"""The stdio transport: messages to and from a managed process, one a line.

Not the SDK's own: that one gives the process parts of our environment, has no limit for a line, and leaves the
children of a server behind that ends by itself.
"""

import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.client._transport import TransportStreams
from mcp.shared.message import SessionMessage
from mcp_types import INTERNAL_ERROR, ErrorData, JSONRPCError, JSONRPCMessage, jsonrpc_message_adapter
from pydantic import ValidationError

from airboss.domain.mcp_policies import ProcessPolicy
from airboss.mcp.density import MAX_BRACKETS, Density
from airboss.mcp.launch import Launch
from airboss.mcp.lines import LineSplitter, LongLine, answered_id
from airboss.mcp.managed_process import ManagedProcess
from airboss.mcp.wire_notes import WireNotes
from airboss.ports.mcp import McpUnavailableError

_MAX_ERROR_LINE_BYTES = 8 * 1024
_AFTERWARDS_SECONDS = 5.0


@asynccontextmanager
async def stdio_streams(
    launch: Launch, policy: ProcessPolicy, max_message_bytes: int, notes: WireNotes
) -> AsyncGenerator[TransportStreams]:
    """Start a server and end it, with its descendants, when the block ends, however it ends."""
    try:
        # In a thread, since it returns when the program is loaded. A cancel waits for it: no process gets lost.
        process = await anyio.to_thread.run_sync(ManagedProcess, launch, policy)
    except OSError as error:
        raise McpUnavailableError(f"{launch.argv[0]} cannot be started: {error.strerror}") from None
    to_session, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_server, from_session = anyio.create_memory_object_stream[SessionMessage](0)
    pump = _Pump(process, to_session, from_session, max_message_bytes, notes)
    try:
        async with anyio.create_task_group() as tasks, to_session, from_server, to_server, from_session:
            tasks.start_soon(pump.read)
            tasks.start_soon(pump.write)
            tasks.start_soon(pump.read_errors)
            try:
                yield from_server, to_server
            finally:
                with anyio.CancelScope(shield=True):
                    await process.stop()
                    notes.exit_code = process.exit_code
                    await _clean_up_after(launch)
                tasks.cancel_scope.cancel()
    finally:
        # Reached without the above only when the task was killed at the first await.
        process.abandon()


async def _clean_up_after(launch: Launch) -> None:
    """Run what ends a container whose client was killed; nothing is said where there is nothing left."""
    if launch.afterwards is None:
        return
    command = launch.afterwards

    def run() -> None:
        subprocess.run(  # noqa: S603 - the engine's own command, composed by us
            command,
            env=dict(launch.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_AFTERWARDS_SECONDS,
            check=False,
        )

    try:
        await anyio.to_thread.run_sync(run)
    except (OSError, subprocess.TimeoutExpired):
        return


class _Pump:
    """Carries bytes and messages between a process and a session."""

    def __init__(
        self,
        process: ManagedProcess,
        to_session: MemoryObjectSendStream[SessionMessage | Exception],
        from_session: MemoryObjectReceiveStream[SessionMessage],
        max_message_bytes: int,
        notes: WireNotes,
    ) -> None:
        self._process = process
        self._to_session = to_session
        self._from_session = from_session
        self._max_message_bytes = max_message_bytes
        self._notes = notes

    async def read(self) -> None:
        """Hand on messages until the server's output ends; what is none is noted and passed over."""
        splitter = LineSplitter(self._max_message_bytes)
        try:
            async with self._to_session:
                while chunk := await self._process.read_output():
                    for line in splitter.feed(chunk):
                        if (message := self._message(line)) is not None:
                            await self._to_session.send(SessionMessage(message))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError, ValueError):
            await self._drain()
        finally:
            self._notes.end("the server ended its output")

    async def write(self) -> None:
        try:
            async with self._from_session:
                async for item in self._from_session:
                    text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                    await self._process.write(text.encode() + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError, ValueError):
            self._notes.end("the server closed its input")

    async def read_errors(self) -> None:
        splitter = LineSplitter(_MAX_ERROR_LINE_BYTES)
        try:
            while chunk := await self._process.read_errors():
                for line in splitter.feed(chunk):
                    start = line.head if isinstance(line, LongLine) else line
                    self._notes.error_line(start.decode(errors="replace"))
        except (anyio.ClosedResourceError, OSError, ValueError):
            return

    async def _drain(self) -> None:
        """Read on for nobody: a server that hangs in a write cannot see that its input has ended."""
        try:
            while await self._process.read_output():
                pass
        except (anyio.ClosedResourceError, OSError, ValueError):
            return

    def _message(self, line: bytes | LongLine) -> JSONRPCMessage | None:
        if isinstance(line, LongLine):
            return self._refused(
                line.head,
                line.tail,
                f"a message of {line.size_bytes} bytes is over the limit of {self._max_message_bytes}",
            )
        if not line.strip():
            return None
        if Density().is_too_much(line):
            return self._refused(line, line, f"a message of more than {MAX_BRACKETS} structures is not read")
        try:
            return jsonrpc_message_adapter.validate_json(line, by_name=False)
        except ValidationError:
            return self._refused(line, line, "the answer is not a message of the protocol")

    def _refused(self, head: bytes, tail: bytes, reason: str) -> JSONRPCError | None:
        """Answer in the server's place where the edges show which request is meant; else note and pass over."""
        self._notes.garbage(f"{reason}: {head[:200].decode(errors='replace')}")
        request_id = answered_id(head, tail)
        if request_id is None:
            return None
        return JSONRPCError(
            jsonrpc="2.0", id=request_id, error=ErrorData(code=INTERNAL_ERROR, message=reason)
        )
