"""Clients around a server that is killed again and again: they spawn, cancel, follow, and keep what they saw."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
from tests.support.chaos_provider import ChaosProvider, script
from tests.support.event_reader import COMMENT, RETRY, StreamFrame, parse_frame
from tests.support.server import ServerProcess, start_server

_PLANS = ("", "w", "f", "2", "wf", "2w", "f2", "w2f")
_SPAWNERS = 4
_PAUSE_SECONDS = 0.02
_DEADLINE_SECONDS = 60.0
#: What a client of a server that was killed may meet.
BROKEN = (httpx2.TransportError,)


@dataclass(frozen=True)
class ChaosPlan:
    """How much of everything; the same seed makes the same jobs, cancels and moments of kills."""

    jobs: int
    kills: int
    seed: int
    in_flight: int = 60
    keyed_share: float = 0.1
    cancelled_share: float = 0.08
    pace_ms: tuple[float, float] = (5, 40)
    max_attempts: int = 10


@dataclass
class Spawn:
    """One job that a client wants, and what it was told of it."""

    marker: str
    input: str
    key: str | None
    ids: set[str] = field(default_factory=set)
    #: The connection broke behind the request: the job may be there or not.
    unanswered: bool = False


class ServerUnderFire:
    """The server's present process; clients wait here for the next one."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.settings = settings
        self.start_seconds: list[float] = []
        self._environ = environ
        self._server: ServerProcess | None = None
        self._changed = threading.Condition()
        self.over = threading.Event()

    def start(self) -> ServerProcess:
        began = time.monotonic()
        server = start_server(self.folder, self.settings, self._environ)
        self.start_seconds.append(time.monotonic() - began)
        with self._changed:
            self._server = server
            self._changed.notify_all()
        return server

    def kill(self) -> None:
        with self._changed:
            server, self._server = self._server, None
        if server is not None:
            server.kill()

    def up(self) -> ServerProcess:
        with self._changed:
            assert self._changed.wait_for(lambda: self._server is not None, _DEADLINE_SECONDS), "no server"
            assert self._server is not None
            return self._server

    @contextmanager
    def client(self) -> Iterator[httpx2.Client]:
        with self.up().client() as client:
            yield client

    def ask(self, request: Callable[[httpx2.Client], httpx2.Response]) -> httpx2.Response:
        """Ask until there is an answer, of this process or of a later one."""
        while True:
            try:
                with self.client() as client:
                    return request(client)
            except BROKEN:
                self.over.wait(_PAUSE_SECONDS)


class Follower:
    """Reads the whole stream over all restarts, going on behind the last id it has seen."""

    def __init__(self, server: ServerUnderFire) -> None:
        self._server = server
        self.frames: list[StreamFrame] = []
        self.notices: list[StreamFrame] = []
        self.connections = 0
        self.finals = 0
        self.done = threading.Event()

    @property
    def last_id(self) -> int:
        return self.frames[-1].id or 0 if self.frames else 0

    def follow(self) -> None:
        while not self.done.is_set():
            try:
                with self._server.client() as client:
                    self._read(client)
            except BROKEN:
                self.done.wait(_PAUSE_SECONDS)

    def _read(self, client: httpx2.Client) -> None:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(self.last_id)}
        with client.stream("GET", "/v1/events", headers=headers, timeout=_DEADLINE_SECONDS) as response:
            self.connections += 1
            rest = ""
            for piece in response.iter_text():
                *texts, rest = (rest + piece).split("\n\n")
                for text in texts:
                    self._take(text)
                if self.done.is_set():
                    return

    def _take(self, text: str) -> None:
        if text == RETRY or COMMENT.fullmatch(text):
            return
        frame = parse_frame(text)
        if frame.id is None:
            self.notices.append(frame)
            return
        self.frames.append(frame)
        self.finals += frame.event in FINAL_EVENTS


FINAL_EVENTS = frozenset({"job.completed", "job.failed", "job.cancelled", "job.timed_out"})


class ChaosRun:
    """One run: `run` returns when every kill was made and every job had its time to end."""

    def __init__(self, plan: ChaosPlan, provider: ChaosProvider, server: ServerUnderFire) -> None:
        self.plan = plan
        self.provider = provider
        self.server = server
        self.follower = Follower(server)
        self.spawns: list[Spawn] = []
        self.promised: set[str] = set()
        self.unkept_keys: list[str] = []
        self.not_found: list[str] = []
        self.changed: list[str] = []
        self.finals: dict[str, tuple[Any, ...]] = {}
        self.interrupted_by_kills = 0
        self._random = random.Random(plan.seed)
        self._wanted: deque[Spawn] = deque(self._want(number) for number in range(plan.jobs))
        self._lock = threading.Lock()
        self._replacements = 0

    def _want(self, number: int) -> Spawn:
        marker = f"m{number:05d}"
        text = script(marker, self._random.choice(_PLANS) or "w", self._random.uniform(*self.plan.pace_ms))
        key = f"key-{marker}" if self._random.random() < self.plan.keyed_share else None
        return Spawn(marker, text, key)

    def run(self) -> None:
        self.server.start()
        with ThreadPoolExecutor(_SPAWNERS + 2) as pool:
            following = pool.submit(self.follower.follow)
            spawning = [pool.submit(self._spawn_on, number) for number in range(_SPAWNERS)]
            try:
                for _ in range(self.plan.kills):
                    self._let_work()
                    self.server.kill()
                    self.server.start()
                    self._compare_finals()
                for future in spawning:
                    future.result(_DEADLINE_SECONDS)
                self._wait_for_ends()
            finally:
                self.server.over.set()
                self._wanted.clear()
                self.follower.done.set()
                # One more event, so that the follower looks up from its reading.
                self.server.ask(lambda client: client.post("/v1/coord/queues/chaos/pause"))
                following.result(_DEADLINE_SECONDS)

    def _let_work(self) -> None:
        """Wait for a random moment: some calls later and a little more, or soon after the start."""
        calls_each = 3 * self.plan.jobs / (self.plan.kills + 1)
        before = len(self.provider.calls)
        if self._random.random() < 0.15:
            self.server.over.wait(self._random.uniform(0, 1.0))
            return
        target = before + round(calls_each * self._random.uniform(0.2, 1.4))
        self.provider.wait(lambda: len(self.provider.calls) >= target or self._is_idle(), "work to be done")
        self.server.over.wait(self._random.uniform(0, 0.05))

    def _is_idle(self) -> bool:
        return not self._wanted and self.follower.finals >= len(self.spawns)

    # -- clients ------------------------------------------------------------------------------------------

    def _spawn_on(self, number: int) -> None:
        chance = random.Random(f"{self.plan.seed}/{number}")
        while not self.server.over.is_set():
            if len(self.spawns) - self.follower.finals > self.plan.in_flight:
                self.server.over.wait(_PAUSE_SECONDS)
                continue
            try:
                wanted = self._wanted.popleft()
            except IndexError:
                return
            with self._lock:
                self.spawns.append(wanted)
            job_id = self._spawn(wanted)
            if job_id is not None and chance.random() < self.plan.cancelled_share:
                self.server.over.wait(chance.uniform(0, 0.1))
                self._cancel(job_id)

    def _spawn(self, wanted: Spawn) -> str | None:
        """Spawn a job; with a key twice, and again until there is an answer."""
        if wanted.key is None:
            return self._spawn_once(wanted)
        headers = {"Idempotency-Key": wanted.key}
        for _ in range(2):
            answer = self._post(lambda client: self.server.ask(lambda _: client), wanted, headers)
            wanted.ids.add(answer.json()["id"])
        if answer.headers.get("idempotent-replayed") != "true":
            self.unkept_keys.append(wanted.key)
        return str(answer.json()["id"])

    def _post(
        self, _: Any, wanted: Spawn, headers: Mapping[str, str]
    ) -> httpx2.Response:
        body = {"agent": "chaos", "input": wanted.input}
        while True:
            answer = self.server.ask(lambda client: client.post("/v1/jobs", json=body, headers=headers))
            if answer.status_code == 202:
                return answer
            assert answer.status_code in (429, 503), answer.text
            self.server.over.wait(_PAUSE_SECONDS)
