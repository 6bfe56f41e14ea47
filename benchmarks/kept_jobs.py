"""Status and lists beside 10,000, 100,000 and 1,000,000 kept jobs, turn by turn against the smallest.

`python -m benchmarks.kept_jobs [--rounds 7] [--requests 200] [--jobs 10000 100000 1000000]`
"""

import argparse
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
from benchmarks.report import Report, median, milliseconds, spread
from benchmarks.servers import QUICK, Measured, serving
from tests.support.jobs import job_id, new_job

from airboss.domain.jobs import Job
from airboss.domain.states import JobState
from airboss.storage.sqlite.connections import open_writer
from airboss.storage.sqlite.rows import INSERT_JOB, job_row
from airboss.storage.sqlite.schema import migrate

AGENTS = ("quick", "slow", "seldom")
STATES = (JobState.COMPLETED,) * 8 + (JobState.FAILED, JobState.CANCELLED)
SETTINGS: dict[str, Any] = {
    "agents": dict.fromkeys(AGENTS, QUICK),
    "telemetry": {"log_format": "json", "log_level": "info"},
}
#: Within retention, so that nothing is removed meanwhile.
_SPAN_MS = 24 * 3600 * 1000
GOAL = 1.5

Ask = Callable[[httpx2.Client, random.Random, int], httpx2.Response]


def kept(count: int, number: int, newest_ms: int) -> Job:
    """Make one of so many jobs that have ended, spread evenly over a day."""
    moment_ms = newest_ms - _SPAN_MS + number * _SPAN_MS // count
    # One agent in a thousand jobs: a filter must not have to read what it does not want.
    agent = "seldom" if number % 1000 == 0 else AGENTS[number % 2]
    return new_job(
        number,
        id=job_id(number, moment_ms),
        agent=agent,
        state=STATES[number % len(STATES)],
        created_at_ms=moment_ms,
        started_at_ms=moment_ms,
        finished_at_ms=moment_ms + 5,
        input="What do the docs say about cancel? " * 4,
        output="They say that it is a flag. " * 8,
    )


def fill(database: Path, count: int, newest_ms: int) -> None:
    database.parent.mkdir(parents=True)
    connection = open_writer(database)
    migrate(connection)
    counts: dict[tuple[str, str], int] = {}

    def rows() -> Iterator[tuple[Any, ...]]:
        for number in range(count):
            job = kept(count, number, newest_ms)
            key = (job.agent, job.state.value)
            counts[key] = counts.get(key, 0) + 1
            yield job_row(job)

    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(INSERT_JOB, rows())
    connection.executemany(
        "INSERT INTO job_counts (tenant, agent, state, jobs) VALUES ('default', ?, ?, ?)",
        [(*key, jobs) for key, jobs in counts.items()],
    )
    connection.execute("COMMIT")
    connection.close()


def questions(newest_ms: int) -> dict[str, Ask]:
    def one(client: httpx2.Client, chance: random.Random, count: int) -> httpx2.Response:
        number = chance.randrange(count)
        return client.get(f"/v1/jobs/{job_id(number, newest_ms - _SPAN_MS + number * _SPAN_MS // count)}")

    def lists(**query: Any) -> Ask:
        return lambda client, chance, count: client.get("/v1/jobs", params=query)

    def deep(client: httpx2.Client, chance: random.Random, count: int) -> httpx2.Response:
        moment_ms = newest_ms - chance.randrange(_SPAN_MS // 2)
        before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment_ms / 1000))
        return client.get("/v1/jobs", params={"created_before": before})

    return {
        "GET /v1/jobs/{id}": one,
        "GET /v1/jobs": lists(),
        "GET /v1/jobs?state=failed&agent=seldom": lists(state="failed", agent="seldom"),
        "GET /v1/jobs?state=pending (none)": lists(state="pending"),
        "GET /v1/jobs?created_before=…": deep,
        "GET /v1/agents": lambda client, chance, count: client.get("/v1/agents"),
        "GET /metrics": lambda client, chance, count: client.get("/metrics"),
    }


def p50(server: Measured, ask: Ask, count: int, requests: int) -> float:
    chance = random.Random(7)
    seconds = []
    with server.client() as client:
        for _ in range(requests):
            began = time.perf_counter()
            answer = ask(client, chance, count)
            seconds.append(time.perf_counter() - began)
            assert answer.status_code == 200, answer.text
    return median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--jobs", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    newest_ms = int(time.time() * 1000)
    report = Report("Status and lists beside kept jobs")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        servers: dict[int, Measured] = {}
        for count in arguments.jobs:
            fill(folder / str(count) / ".airboss" / "airboss.db", count, newest_ms)
            servers[count] = stack.enter_context(serving("airboss", folder / str(count), SETTINGS))
        for name, ask in questions(newest_ms).items():
            rounds = [
                {count: p50(server, ask, count, arguments.requests) for count, server in servers.items()}
                for _ in range(arguments.rounds)
            ]
            _tell(report, name, rounds)
    report.print()


def _tell(report: Report, name: str, rounds: list[dict[int, float]]) -> None:
    smallest, *others = rounds[0]
    report.add(f"{name}, {smallest:,} jobs, p50", milliseconds(median([each[smallest] for each in rounds])))
    for count in others:
        ratios = [each[count] / each[smallest] for each in rounds]
        report.add(f"{name}, {count:,} jobs", spread(ratios), f"≤ {GOAL}", kept=median(ratios) <= GOAL)


if __name__ == "__main__":
    main()
