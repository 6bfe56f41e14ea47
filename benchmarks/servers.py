"""The servers that benchmarks measure, each a process of its own: Airboss, and plain references beside it.

As a program it is one of them: `python -m benchmarks.servers airboss|spawns|streams`.
"""

import asyncio
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import jwt
import uvicorn
import yaml
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import StreamingResponse

from airboss.cli.main import run as run_airboss
from airboss.domain.identifiers import JobIds
from airboss.domain.jobs import Job, preview
from airboss.domain.states import JobState
from airboss.ports.loop import Run
from airboss.storage.sqlite.connections import open_writer
from airboss.storage.sqlite.rows import INSERT_JOB, job_row
from airboss.storage.sqlite.schema import migrate

ROOT = Path(__file__).parents[1]
_READY = re.compile(r"API\s+(http\S+)/v1")
_CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
#: An agent of the offline planner that answers at once, and is replaced by a no-op in `airboss` below.
QUICK = {"provider": "offline", "model": "planner", "tools": []}


#: What is asked of Airboss is authenticated and counted towards limits that no benchmark reaches.
_SECRET = "a-secret-of-the-benchmarks-and-of-nothing-else"
_NO_LIMIT = "1000000/second"


@dataclass(frozen=True)
class Measured:
    """A server process and what the system knows of it."""

    name: str
    url: str
    process: subprocess.Popen[str]

    @property
    def headers(self) -> dict[str, str]:
        """What every request to it carries."""
        return {"Authorization": f"Bearer {_token()}"} if self.name == "airboss" else {}

    @property
    def header_lines(self) -> list[str]:
        return [f"{name}: {value}" for name, value in self.headers.items()]

    def client(self) -> httpx2.Client:
        return httpx2.Client(
            base_url=self.url, timeout=60.0, trust_env=False, verify=False, headers=self.headers
        )

    @property
    def resident_bytes(self) -> int:
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * resource.getpagesize()

    @property
    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _CLOCK_TICKS

    @property
    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


@cache
def _token() -> str:
    now = int(time.time())
    claims = {"sub": "benchmark", "iss": "airboss", "aud": "airboss", "roles": ["admin"]}
    return jwt.encode(claims | {"iat": now, "exp": now + 24 * 3600}, _SECRET, algorithm="HS256")


def _with_authentication(settings: Mapping[str, Any]) -> dict[str, Any]:
    limits = {"spawn_rate": _NO_LIMIT, "read_rate": _NO_LIMIT} | settings.get("limits", {})
    return {**settings, "auth": {"mode": "jwt"}, "limits": limits}


@contextmanager
def serving(name: str, folder: Path, settings: Mapping[str, Any] | None = None) -> Iterator[Measured]:
    """Start one of the servers in a folder and stop it at the end of the block."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "airboss.yaml").write_text(yaml.safe_dump(_with_authentication(settings or {})))
    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.servers", name],
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "AIRBOSS_JWT_SECRET": _SECRET},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        address = next((found[1] for line in process.stdout if (found := _READY.search(line))), None)
        assert address is not None, (folder / "server.log").read_text()
        yield Measured(name, address, process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=30)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


# -- Airboss with an agent loop that does nothing -----------------------------------------------------------


class NoopLoop:
    """Answers at once; `input` may be a number of seconds to take instead."""

    async def run(self, run: Run) -> Any:
        if isinstance(run.job.input, int | float):
            await asyncio.sleep(run.job.input)
        return "done"


def serve_airboss() -> None:
    """Serve with everything real but the agents: the loop is loaded by name, so another can stand there."""
    factory: Any = ModuleType("airboss.loop.factory")
    factory.build_loop = lambda **_: NoopLoop()
    sys.modules[factory.__name__] = factory
    sys.argv = ["airboss", "serve", "--port", "0"]
    run_airboss()


# -- the reference for spawns: FastAPI and a writer thread --------------------------------------------------


class PlainWriter:
    """A thread that commits what has gathered, as one transaction."""

    def __init__(self, path: Path) -> None:
        self._connection = open_writer(path)
        migrate(self._connection)
        self._loop = asyncio.get_running_loop()
        self._gathered: deque[tuple[str, tuple[Any, ...], asyncio.Future[None]]] = deque()
        self._wake = threading.Semaphore(0)
        threading.Thread(target=self._run, daemon=True).start()

    def write(self, sql: str, row: tuple[Any, ...]) -> asyncio.Future[None]:
        future = self._loop.create_future()
        self._gathered.append((sql, row, future))
        self._wake.release()
        return future

    def _run(self) -> None:
        while True:
            self._wake.acquire()
            batch = [self._gathered.popleft() for _ in range(len(self._gathered))]
            if not batch:
                continue
            self._connection.execute("BEGIN IMMEDIATE")
            for sql, row, _ in batch:
                self._connection.execute(sql, row)
            self._connection.execute("COMMIT")
            self._loop.call_soon_threadsafe(_resolve, [future for _, _, future in batch])


def _resolve(futures: list[asyncio.Future[None]]) -> None:
    for future in futures:
        future.set_result(None)


class PlainBody(BaseModel):
    agent: str
    input: str
    timeout_seconds: float | None = None
    priority: int = 5


def spawns_app() -> FastAPI:
    """The same row, nothing else: no event, no limit, no log, no metric, and the shortest answer."""
    queue: asyncio.Queue[str] = asyncio.Queue()
    waiting: dict[str, asyncio.Future[None]] = {}
    state: dict[str, Any] = {"left": 0}

    async def work(writer: PlainWriter) -> None:
        while True:
            job_id = await queue.get()
            await writer.write(
                "UPDATE jobs SET state = 'running' WHERE id = ? AND state = 'pending'", (job_id,)
            )
            await writer.write(
                "UPDATE jobs SET state = 'completed', output = ? WHERE id = ? AND state = 'running'",
                ('"done"', job_id),
            )
            state["left"] -= 1
            if job_id in waiting:
                waiting[job_id].set_result(None)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        state["writer"] = PlainWriter(Path("reference.db"))
        workers = [asyncio.create_task(work(state["writer"])) for _ in range(16)]
        yield
        for worker in workers:
            worker.cancel()

    app = FastAPI(lifespan=lifespan)
    ids = JobIds(lambda: time.time_ns() // 1_000_000, lambda bits: int.from_bytes(os.urandom(8)) >> 64 - bits)
    plain = Job(
        id="",
        tenant="default",
        owner="local",
        agent="quick",
        agent_revision="0123456789ab",
        state=JobState.PENDING,
        input="",
        input_preview="",
        max_attempts=3,
        created_at_ms=0,
        timeout_seconds=300.0,
        correlation_id="0123456789abcdef",
    )

    @app.post("/v1/jobs", status_code=202)
    async def spawn(body: PlainBody, *, run: bool = False, wait: bool = False) -> dict[str, str]:
        job_id, created_at_ms = ids.make()
        job = replace(
            plain,
            id=job_id,
            created_at_ms=created_at_ms,
            agent=body.agent,
            input=body.input,
            input_preview=preview(body.input),
        )
        await state["writer"].write(INSERT_JOB, job_row(job))
        if wait:
            waiting[job_id] = asyncio.get_running_loop().create_future()
        if run:
            state["left"] += 1
            queue.put_nowait(job_id)
        if wait:
            await waiting[job_id]
            del waiting[job_id]
        return {"id": job_id, "state": "pending"}

    @app.get("/left")
    async def left() -> dict[str, int]:
        return {"left": state["left"]}

    return app


# -- the reference for streams: StreamingResponse with a queue each -----------------------------------------


def streams_app() -> FastAPI:
    """Each subscriber has a queue; `POST /publish?events=N` puts the frames of N events into all."""
    app = FastAPI()
    queues: set[asyncio.Queue[bytes]] = set()

    @app.get("/v1/events")
    async def follow() -> StreamingResponse:
        queue: asyncio.Queue[bytes] = asyncio.Queue()

        async def frames() -> AsyncIterator[bytes]:
            queues.add(queue)
            try:
                yield b"retry: 3000\n\n"
                while True:
                    yield await queue.get()
            finally:
                queues.discard(queue)

        return StreamingResponse(frames(), media_type="text/event-stream")

    @app.get("/health/ready")
    async def ready() -> dict[str, int]:
        return {"subscribers": len(queues)}

    @app.post("/publish")
    async def publish(events: int, bytes: int, batch: int = 1) -> dict[str, int]:  # noqa: A002
        for number in range(events):
            frame = f"id: {number}\nevent: node.joined\ndata: ".encode()
            frame += b"x" * (bytes - len(frame) - 2) + b"\n\n"
            for queue in queues:
                queue.put_nowait(frame)
            if number % batch == batch - 1:
                await asyncio.sleep(0)
        return {"events": events}

    return app


def serve_reference(app: FastAPI) -> None:
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, access_log=False, backlog=2048)
    server = uvicorn.Server(config)

    async def serve() -> None:
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        print(f"API http://127.0.0.1:{port}/v1", flush=True)
        await serving

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(serve())


PROGRAMS: dict[str, Callable[[], None]] = {
    "airboss": serve_airboss,
    "spawns": lambda: serve_reference(spawns_app()),
    "streams": lambda: serve_reference(streams_app()),
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]]()
