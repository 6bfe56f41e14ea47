"""Runs one MCP server and ends it with all its descendants: when told to, and when Airboss is gone.

A program of its own, run by path. It holds no pipe of the server, so that an end of the server's input or output
is seen by the other side at once. As child subreaper it also inherits what daemonises. Linux only.

Arguments: the number of an open socket whose other end Airboss holds, the seconds between SIGTERM and SIGKILL,
the command. Exits with the server's code, or with 128 and its signal's number.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
#: As shells have it.
_NOT_FOUND, _CANNOT_START = 127, 126
_TICK_SECONDS = 0.02
#: A process that even SIGKILL does not end hangs in the kernel: nobody can wait for it for ever.
_LAST_WAIT_SECONDS = 5.0

_prctl = ctypes.CDLL(None, use_errno=True).prctl


class Guard:
    """One server, its lifeline to Airboss, and what the server's processes leave behind."""

    def __init__(self, lifeline: int, grace_seconds: float) -> None:
        self._lifeline = lifeline
        self._grace_seconds = grace_seconds
        self._server = 0
        self._code: int | None = None

    def run(self, command: list[str]) -> int:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        woken, wake = os.pipe()
        os.set_blocking(woken, False)
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: None)
        self._start(command)
        self._let_go_of_pipes()
        self._wait(woken)
        self._end_all()
        return 0 if self._code is None else self._code

    def _start(self, command: list[str]) -> None:
        guard = os.getpid()
        self._server = os.fork()
        if self._server:
            return
        code = _CANNOT_START
        try:
            os.setsid()
            # Safe here, unlike in Airboss: this process has one thread. It covers a guard that is killed itself.
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != guard:
                os._exit(code)
            for number in (signal.SIGPIPE, signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            os.execvp(command[0], command)  # noqa: S606 - no shell is wanted
        except OSError as error:
            code = _NOT_FOUND if isinstance(error, FileNotFoundError) else _CANNOT_START
            os.write(2, f"{command[0]} cannot be started: {error.strerror}\n".encode())
        finally:
            os._exit(code)

    def _let_go_of_pipes(self) -> None:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        os.close(nothing)

    def _wait(self, woken: int) -> None:
        """Return when the server has ended or Airboss has let go of the lifeline."""
        poll = select.poll()
        poll.register(woken, select.POLLIN)
        poll.register(self._lifeline, select.POLLIN)
        while True:
            self._reap()
            if self._code is not None:
                return
            ready = {number for number, _ in poll.poll()}
            if self._lifeline in ready:
                return
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 512)

    def _end_all(self) -> None:
        """Send SIGTERM to every descendant, SIGKILL to those that stay, and reap them."""
        self._signal_all(signal.SIGTERM)
        kill_at = time.monotonic() + self._grace_seconds
        give_up_at = kill_at + _LAST_WAIT_SECONDS
        while self._reap() and (now := time.monotonic()) < give_up_at:
            if now >= kill_at:
                self._signal_all(signal.SIGKILL)
            time.sleep(_TICK_SECONDS)

    def _reap(self) -> bool:
        """Collect whoever has ended; returns whether children are left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self._server:
                code = os.waitstatus_to_exitcode(status)
                self._code = code if code >= 0 else 128 - code

    def _signal_all(self, number: int) -> None:
        for pid in descendants(os.getpid()):
            with contextlib.suppress(OSError):
                os.kill(pid, number)


def descendants(root: int) -> list[int]:
    """Return the ids of all processes below `root`, as /proc tells them."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):  # noqa: PTH208 - pathlib costs a third of the start
        if name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError):
                children.setdefault(_parent_of(name), []).append(int(name))
    found: list[int] = []
    queue = [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def _parent_of(pid: str) -> int:
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123
        # The name of the program stands in brackets and may hold anything.
        return int(file.read().rpartition(b")")[2].split()[1])


if __name__ == "__main__":
    _lifeline = int(sys.argv[1])
    os.set_inheritable(_lifeline, False)
    sys.exit(Guard(_lifeline, float(sys.argv[2])).run(sys.argv[3:]))
