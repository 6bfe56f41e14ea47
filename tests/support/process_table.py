"""Which processes there are, as /proc tells."""

import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from airboss.mcp.process_guard import descendants


def is_running(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    return False


def running(pids: Iterable[int]) -> list[int]:
    return [pid for pid in pids if is_running(pid)]


def below(pid: int) -> list[int]:
    """Return the running descendants of a process."""
    return running(descendants(pid))


def wait_gone(pids: Iterable[int], seconds: float = 10.0) -> None:
    """Ask until they are gone: processes of others send us no signal."""
    wanted = list(pids)
    deadline = time.monotonic() + seconds
    while left := running(wanted):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.02)
