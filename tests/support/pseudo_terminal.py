"""Running `airboss` on a terminal: a real pseudo-terminal of a given size, with what was drawn on it."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

DEADLINE_SECONDS = 30.0
_SEQUENCES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[()][0-9A-Za-z]|\x1b[=>78]")
_COLOURS = re.compile(r"\x1b\[(?:\d+;)*3[0-7](?:;\d+)*m")


class Terminal:
    """A process with a terminal as its standard input, output and error."""

    def __init__(self, process: subprocess.Popen[bytes], master: int) -> None:
        self.process = process
        self._master = master
        self._changed = threading.Condition()
        self._raw = b""
        self._is_over = False
        self._reader = threading.Thread(target=self._read, name="terminal")
        self._reader.start()

    @property
    def raw(self) -> str:
        with self._changed:
            return self._raw.decode(errors="replace")

    @property
    def text(self) -> str:
        """All that was ever written, without what moves and colours it."""
        return _SEQUENCES.sub("", self.raw).replace("\r", "")

    @property
    def is_coloured(self) -> bool:
        return _COLOURS.search(self.raw) is not None

    def wait_for(self, text: str) -> None:
        with self._changed:
            found = self._changed.wait_for(lambda: text in self.text or self._is_over, DEADLINE_SECONDS)
        assert found, f"{text!r} did not come:\n{self.text}"
        assert text in self.text, f"it ended without {text!r}:\n{self.text}"

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def end(self) -> int:
        """Wait for the process's end and all that it wrote; return its exit code."""
        code = self.process.wait(DEADLINE_SECONDS)
        self._reader.join(DEADLINE_SECONDS)
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()
        os.close(self._master)

    def _read(self) -> None:
        # The read fails as soon as nobody holds the other side.
        with suppress(OSError):
            while data := os.read(self._master, 65536):
                with self._changed:
                    self._raw += data
                    self._changed.notify_all()
        with self._changed:
            self._is_over = True
            self._changed.notify_all()


@contextmanager
def terminal(
    folder: Path,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    columns: int = 80,
    lines: int = 24,
) -> Iterator[Terminal]:
    """Run a command on a terminal of this size; it is killed at the end of the block if it still runs."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def take_the_terminal() -> None:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        [sys.executable, "-m", "airboss", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error", "TERM": "xterm-256color", **(environ or {})},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        preexec_fn=take_the_terminal,  # noqa: PLW1509
    )
    os.close(slave)
    opened = Terminal(process, master)
    try:
        yield opened
    finally:
        opened.close()
