"""A server that this node runs: behind a guard that outlives Airboss just long enough to end it."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

import anyio

from airboss.domain.mcp_policies import ProcessPolicy
from airboss.mcp.launch import Launch

_GUARD = Path(__file__).with_name("process_guard.py")
_CHUNK_BYTES = 64 * 1024
#: On top of the time between SIGTERM and SIGKILL, for the guard itself; then it is killed, too.
_GUARD_SECONDS = 1.5


class ManagedProcess:
    """Pipes to a server and the one way to end it. Every wait here can be cancelled, `stop` is bounded."""

    def __init__(self, launch: Launch, policy: ProcessPolicy) -> None:
        """Start the server's guard in a session of its own; raises OSError."""
        self._policy = policy
        ours, guards = socket.socketpair()
        try:
            self._guard = subprocess.Popen(  # noqa: S603 - what may be run was decided where the spec was taken
                [
                    *(sys.executable, "-I", "-S", str(_GUARD)),
                    *(str(guards.fileno()), str(policy.terminate_seconds), *launch.argv),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env=dict(launch.environment),
                cwd=launch.environment.get("TMPDIR", "/"),
                pass_fds=[guards.fileno()],
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            guards.close()
        self._lifeline = ours
        self._is_released = False
        self._guard_descriptor = os.pidfd_open(self._guard.pid)
        self._input, self._output, self._errors = (
            _descriptor(pipe) for pipe in (self._guard.stdin, self._guard.stdout, self._guard.stderr)
        )

    @property
    def exit_code(self) -> int | None:
        """The server's code once the guard has ended; above 128 it is the number of a signal and 128."""
        return self._guard.returncode

    async def read_output(self) -> bytes:
        """Return what has come; nothing is the end."""
        return await _read(self._output)

    async def read_errors(self) -> bytes:
        return await _read(self._errors)

    async def write(self, data: bytes) -> None:
        """Write everything; raises OSError where the server has gone."""
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._input, left) :]
            except BlockingIOError:
                await anyio.wait_writable(self._input)

    async def stop(self) -> None:
        """End the server and its descendants; takes at most the policy's times and a little more."""
        self._close_input()
        if not await self._ends_within(self._policy.input_closed_seconds):
            with suppress(OSError):
                self._lifeline.shutdown(socket.SHUT_RDWR)
            if not await self._ends_within(self._policy.terminate_seconds + _GUARD_SECONDS):
                self._guard.send_signal(signal.SIGKILL)
                await self._ends_within(_GUARD_SECONDS)
        self._release()

    def abandon(self) -> None:
        """Let go without waiting: the guard sees it and ends the server."""
        self._close_input()
        self._release()

    async def _ends_within(self, seconds: float) -> bool:
        with anyio.move_on_after(seconds):
            await anyio.wait_readable(self._guard_descriptor)
        return self._guard.poll() is not None

    def _close_input(self) -> None:
        if self._guard.stdin is not None and not self._guard.stdin.closed:
            anyio.notify_closing(self._input)
            self._guard.stdin.close()

    def _release(self) -> None:
        if self._is_released:
            return
        self._is_released = True
        for descriptor in (self._output, self._errors, self._guard_descriptor):
            anyio.notify_closing(descriptor)
        for pipe in (self._guard.stdout, self._guard.stderr):
            if pipe is not None:
                pipe.close()
        self._lifeline.close()
        os.close(self._guard_descriptor)


def _descriptor(pipe: IO[bytes] | None) -> int:
    assert pipe is not None  # noqa: S101 - asked for as a pipe above
    os.set_blocking(pipe.fileno(), False)
    return pipe.fileno()


async def _read(descriptor: int) -> bytes:
    while True:
        try:
            return os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:
            await anyio.wait_readable(descriptor)
