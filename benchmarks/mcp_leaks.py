"""Opens, uses and breaks many sessions with MCP servers, then counts what is left of them.

Each session is broken in one of several ways, in turn: an orderly end, a server that dies in a call, one that is
killed from outside, one that hangs in a call, one that hangs in the handshake, a call that is cancelled, one that
is cancelled in the middle of opening, one whose server has started children that ignore SIGTERM. Afterwards the
descriptors, tasks, threads and processes must be back where they were, and the process must be idle.

    python -m benchmarks.mcp_leaks --sessions 500
"""

import argparse
import asyncio
import gc
import json
import os
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import uvloop
from tests.support.mcp_peers import modern_over_http
from tests.support.mcp_rig import Heard, McpRig, hostile, mcp_rig
from tests.support.process_table import below

from airboss.domain.mcp_policies import McpPolicy, RestartPolicy
from airboss.domain.mcp_servers import ExternalSpec, ServerOrigin, ServerSpec
from airboss.ports.mcp import McpUnavailableError

SIDE_BY_SIDE = 8
IDLE_SECONDS = 5.0
IDLE_LIMIT = 0.02
#: A server that is broken on purpose is opened again at once: the pauses are not what is measured.
POLICY = replace(
    McpPolicy(),
    restart=RestartPolicy(first_pause_seconds=0.01, failures_to_quarantine=1000),
    ping_seconds=1.0,
)

Way = Callable[[McpRig, str, str], Awaitable[None]]


@dataclass(frozen=True)
class Count:
    descriptors: int
    tasks: int
    threads: int
    processes: int

    @classmethod
    def now(cls) -> "Count":
        gc.collect()
        return cls(
            descriptors=len(os.listdir("/proc/self/fd")),
            tasks=len(asyncio.all_tasks()),
            threads=threading.active_count(),
            processes=len(below(os.getpid())),
        )


async def orderly(rig: McpRig, name: str, url: str) -> None:
    rig.define(name, hostile())
    await rig.call(name, "echo", {"text": name})
    await rig.connections.stop(name)


async def dies_in_call(rig: McpRig, name: str, url: str) -> None:
    rig.define(name, hostile())
    with suppress(McpUnavailableError):
        await rig.call(name, "die")
    await rig.call(name, "echo")


async def killed(rig: McpRig, name: str, url: str) -> None:
    rig.define(name, hostile(NAME=name))
    await rig.call(name, "echo")
    for pid in below(os.getpid()):
        with suppress(OSError):
            if f"NAME={name}\0".encode() in Path(f"/proc/{pid}/environ").read_bytes():
                os.kill(pid, signal.SIGKILL)
    await rig.watch.until(lambda: any(entry[:2] == ("failed", name) for entry in rig.watch.news))


async def hangs_in_call(rig: McpRig, name: str, url: str) -> None:
    rig.define(name, hostile())
    await rig.connections.start(name)
    with suppress(TimeoutError):
        await rig.call(name, "hang", seconds=0.05)
    await rig.call(name, "echo")


async def hangs_in_handshake(rig: McpRig, name: str, url: str) -> None:
    rig.define(name, hostile("--hang", "--stubborn", "--leak", "HOME"))
    starting = asyncio.create_task(rig.connections.start(name))
    await rig.log.until("mcp.server_stderr", server=name)
    await rig.connections.remove(name)
    await starting


async def cancelled_in_call(rig: McpRig, name: str, url: str) -> None:
    rig.define(name, hostile())
    heard = Heard()
    call = asyncio.create_task(rig.call(name, "hang", heard=heard))
    await heard.first()
    call.cancel()
    await asyncio.wait([call])


async def cancelled_in_opening(rig: McpRig, name: str, url: str) -> None:
    check = asyncio.create_task(rig.connections.check(hostile(), ServerOrigin.SETTINGS))
    await asyncio.sleep(0.05)
    check.cancel()
    await asyncio.wait([check])


async def with_children(rig: McpRig, name: str, url: str) -> None:
    rig.define(name, hostile("--stubborn"))
    await rig.call(name, "spawn")


async def over_http(rig: McpRig, name: str, url: str) -> None:
    spec: ServerSpec = ExternalSpec(url)
    rig.define(name, spec)
    heard = Heard()
    call = asyncio.create_task(rig.call(name, "hang", heard=heard))
    await heard.first()
    await rig.call(name, "echo", {"text": "1"})
    call.cancel()
    await asyncio.wait([call])


WAYS: tuple[Way, ...] = (
    orderly,
    dies_in_call,
    killed,
    hangs_in_call,
    hangs_in_handshake,
    cancelled_in_call,
    cancelled_in_opening,
    with_children,
    over_http,
)


async def break_many(rig: McpRig, sessions: int, url: str, prefix: str) -> Counter[str]:
    numbers = iter(range(sessions))
    done: Counter[str] = Counter()

    async def worker() -> None:
        for number in numbers:
            way = WAYS[number % len(WAYS)]
            name = f"{prefix}-{number}"
            async with asyncio.timeout(60):
                await way(rig, name, url)
                await rig.connections.remove(name)
            done[way.__name__] += 1

    async with asyncio.TaskGroup() as workers:
        for _ in range(SIDE_BY_SIDE):
            workers.create_task(worker())
    return done


async def cpu_share(seconds: float) -> float:
    """Return the share of a processor that this process takes while it has nothing to do."""
    busy = time.process_time()
    await asyncio.sleep(seconds)
    return (time.process_time() - busy) / seconds


async def measure(sessions: int, idle_seconds: float) -> dict[str, object]:
    """Return what was there before and after, and how busy the process was when it had nothing to do."""
    with modern_over_http() as (url, _):
        async with mcp_rig(POLICY) as rig:
            await break_many(rig, len(WAYS), url, "first")  # what is loaded once is no leak
            before = Count.now()
            began = time.monotonic()
            done = await break_many(rig, sessions, url, "server")
            seconds = time.monotonic() - began
            await asyncio.sleep(0.1)
            after = Count.now()
            idle = await cpu_share(idle_seconds)
            for number in range(SIDE_BY_SIDE):
                rig.define(f"open-{number}", ExternalSpec(url) if number % 2 else hostile())
                await rig.connections.start(f"open-{number}")
            idle_open = await cpu_share(idle_seconds)
            errors = [
                entry
                for entry in rig.log.entries
                if entry[0] in {"mcp.child_failed", "mcp.call_failed", "mcp.calls_left"}
            ]
    return {
        "sessions": sum(done.values()),
        "ways": dict(done),
        "seconds": round(seconds, 1),
        "before": before.__dict__,
        "after": after.__dict__,
        "idle_cpu_share": round(idle, 4),
        "idle_cpu_share_with_8_open": round(idle_open, 4),
        "errors": len(errors),
        "is_clean": before.descriptors >= after.descriptors
        and before.tasks >= after.tasks
        and before.processes >= after.processes
        and max(idle, idle_open) <= IDLE_LIMIT
        and not errors,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sessions", type=int, default=500)
    parser.add_argument("--idle-seconds", type=float, default=IDLE_SECONDS)
    options = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(measure(options.sessions, options.idle_seconds))
    print(json.dumps(found, indent=2))
    sys.exit(0 if found["is_clean"] else 1)


if __name__ == "__main__":
    main()
