"""Clients around a server that is killed again and again: they spawn, cancel, follow, and keep what they saw."""

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGKILL, Signals
from typing import Any

import httpx2
from tests.support.chaos_provider import ChaosProvider, script
from tests.support.event_reader import COMMENT, RETRY, StreamFrame, parse_frame
from tests.support.polling import until
from tests.support.server import ServerProcess, start_server

FINAL_STATES = ("completed", "failed", "cancelled", "timed_out")
FINAL_EVENTS = frozenset(f"job.{state}" for state in FINAL_STATES)
_PLANS = ("w", "f", "2", "wf", "2w", "f2", "w2f")
_SPAWNERS = 4
_PAUSE_SECONDS = 0.02
_DEADLINE_SECONDS = 60.0
#: Until enough calls were made for the next kill: that takes long on a machine that has other work.
_WORK_SECONDS = 300.0
#: What a job may take beside others on a machine that has other work, when the last kill was made.
_SECONDS_PER_JOB = 0.2
#: What a client of a server that was killed meets.
_BROKEN = httpx2.TransportError


@dataclass(frozen=True)
class ChaosPlan:
    """How much of everything; a seed draws the same jobs and cancels, and aims kills at the same moments."""

    jobs: int
    kills: int
    seed: int
    in_flight: int = 60
    keyed_share: float = 0.1
    cancelled_share: float = 0.08
    pace_ms: tuple[float, float] = (5, 40)
    #: SIGKILL, or SIGTERM for a drain.
    signal: Signals = SIGKILL


@dataclass(frozen=True)
class Exit:
    """How a process ended; the seconds are from the signal to its end, as its parent sees it."""

    code: int
    seconds: float


@dataclass
class Wish:
    """One job that a client wants, and what it was told of it."""

    marker: str
    input: str
    key: str | None
    ids: set[str] = field(default_factory=set)
    #: The connection broke behind the request: the job may be there or not.
    unanswered: bool = False


class ServerUnderFire:
    """The server's present process; clients wait here for the next one."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.settings = settings
        self.start_seconds: list[float] = []
        self.exits: list[Exit] = []
        self.over = threading.Event()
        self._server: ServerProcess | None = None
        self._changed = threading.Condition()

    def start(self) -> ServerProcess:
        began = time.monotonic()
        server = start_server(self.folder, self.settings)
        self.start_seconds.append(time.monotonic() - began)
        with self._changed:
            self._server = server
            self._changed.notify_all()
        return server

    def end(self, number: Signals) -> None:
        """Send a signal and wait for the end; clients find the server in its place until then."""
        began = time.monotonic()
        server = self.up()
        server.process.send_signal(number)
        code = server.wait()
        self.exits.append(Exit(code, time.monotonic() - began))
        with self._changed:
            self._server = None

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
            with suppress(_BROKEN), self.client() as client:
                return request(client)
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
            with suppress(_BROKEN), self._server.client() as client:
                self._read(client)
            self.done.wait(_PAUSE_SECONDS)

    def _read(self, client: httpx2.Client) -> None:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(self.last_id)}
        with client.stream("GET", "/v1/events", headers=headers, timeout=_DEADLINE_SECONDS) as response:
            self.connections += 1
            rest = ""
            for piece in response.iter_text():
                # What a kill cut off is no frame, and comes again.
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


class ChaosRun:
    """One run: `run` returns when every kill was made and every job had its time to end."""

    def __init__(self, plan: ChaosPlan, provider: ChaosProvider, server: ServerUnderFire) -> None:
        self.plan = plan
        self.provider = provider
        self.server = server
        self.follower = Follower(server)
        self.wishes: list[Wish] = []
        self.promised: set[str] = set()
        self.not_replayed: list[str] = []
        self.not_found: list[str] = []
        self.changed: list[str] = []
        self._final: dict[str, dict[str, Any]] = {}
        self._random = random.Random(plan.seed)
        self._wanted: deque[Wish] = deque(self._wish(number) for number in range(plan.jobs))

    def _wish(self, number: int) -> Wish:
        marker = f"m{number:05d}"
        text = script(marker, self._random.choice(_PLANS), round(self._random.uniform(*self.plan.pace_ms)))
        return Wish(marker, text, f"key-{marker}" if self._random.random() < self.plan.keyed_share else None)

    def run(self) -> None:
        self.server.start()
        with ThreadPoolExecutor(_SPAWNERS + 1) as pool:
            following = pool.submit(self.follower.follow)
            spawning = [pool.submit(self._spawn_on, number) for number in range(_SPAWNERS)]
            try:
                for _ in range(self.plan.kills):
                    self._let_work()
                    self.server.end(self.plan.signal)
                    self.server.start()
                    self.compare_finals()
                seconds = _DEADLINE_SECONDS + self.plan.jobs * _SECONDS_PER_JOB
                # What is stuck, or was never spawned for it, is counted and not waited for.
                wait(spawning, seconds)
                with suppress(AssertionError):
                    until(self._nothing_lives, "the end of every job", seconds)
            finally:
                self._wanted.clear()
                self.server.over.set()
                self.follower.done.set()
                # One more event, so that the follower looks up from its reading.
                self.server.ask(lambda client: client.post("/v1/coord/queues/chaos/pause"))
                following.result(_DEADLINE_SECONDS)
            for future in spawning:
                future.result()

    def _let_work(self) -> None:
        """Wait for a random moment: some calls later and a little more, or soon after the start."""
        if self._random.random() < 0.15:
            self.server.over.wait(self._random.uniform(0, 1.0))
            return
        calls = 3 * self.plan.jobs / (self.plan.kills + 1) * self._random.uniform(0.2, 1.4)
        target = len(self.provider.calls) + round(calls)
        until(lambda: len(self.provider.calls) >= target or self._is_idle(), "work", _WORK_SECONDS)
        self.server.over.wait(self._random.uniform(0, 0.05))

    def _is_idle(self) -> bool:
        return not self._wanted and self._nothing_lives()

    def _nothing_lives(self) -> bool:
        """Tell whether every job has ended that the server knows, acknowledged or not."""
        return self.follower.finals >= self._acknowledged() and not self.list_jobs(
            state=["pending", "running"]
        )

    def _acknowledged(self) -> int:
        return sum(len(wish.ids) for wish in list(self.wishes))

    def compare_finals(self) -> None:
        """Look at every job that has ended: once final, it must stand as it stood."""
        for job in self.list_jobs(state=list(FINAL_STATES)):
            before = self._final.setdefault(job["id"], job)
            if before != job:
                self.changed.append(f"{before} became {job}")

    def list_jobs(self, **filters: Any) -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = []
        query = {"limit": 200, **filters}
        while True:
            page = self.server.ask(lambda client: client.get("/v1/jobs", params=query)).json()
            jobs += page["data"]
            if not page["has_more"]:
                return jobs
            query["cursor"] = page["next_cursor"]

    # -- clients -----------------------------------------------------------------------------------------

    def _spawn_on(self, number: int) -> None:
        chance = random.Random(f"{self.plan.seed}/{number}")
        while self._wanted:
            if self._acknowledged() - self.follower.finals > self.plan.in_flight:
                self.server.over.wait(_PAUSE_SECONDS)
                continue
            with suppress(IndexError):
                wish = self._wanted.popleft()
                self.wishes.append(wish)
                self._spawn(wish)
                if wish.ids and chance.random() < self.plan.cancelled_share:
                    self.server.over.wait(chance.uniform(0, 0.1))
                    self._cancel(next(iter(wish.ids)))

    def _spawn(self, wish: Wish) -> None:
        """Spawn a job: with a key until it is acknowledged and then once more, without one only once."""
        if wish.key is not None:
            answers = [self._post_with_key(wish, wish.key) for _ in range(2)]
            wish.ids.update(answer.json()["id"] for answer in answers)
            if answers[1].headers.get("idempotent-replayed") != "true":
                self.not_replayed.append(wish.marker)
        elif (answer := self._post(wish, {})) is not None:
            wish.ids.add(answer.json()["id"])
        else:
            wish.unanswered = True

    def _post_with_key(self, wish: Wish, key: str) -> httpx2.Response:
        while (answer := self._post(wish, {"Idempotency-Key": key})) is None:
            self.server.over.wait(_PAUSE_SECONDS)
        return answer

    def _post(self, wish: Wish, headers: Mapping[str, str]) -> httpx2.Response | None:
        """Post until there is a 202; None where the connection broke and nobody knows."""
        body = {"agent": "chaos", "input": wish.input}
        while True:
            try:
                with self.server.client() as client:
                    answer = client.post("/v1/jobs", json=body, headers=headers)
            except httpx2.ConnectError:
                # Nothing was sent: it may be sent again.
                self.server.over.wait(_PAUSE_SECONDS)
                continue
            except _BROKEN:
                return None
            if answer.status_code == 202:
                return answer
            assert answer.status_code in (429, 503), answer.text
            self.server.over.wait(_PAUSE_SECONDS)

    def _cancel(self, job_id: str) -> None:
        answer = self.server.ask(lambda client: client.post(f"/v1/jobs/{job_id}/cancel"))
        if answer.status_code in (200, 202):
            self.promised.add(job_id)
        elif answer.status_code != 409:
            self.not_found.append(f"{job_id}: {answer.text}")
