"""Spawns accepted, jobs finished and the time of one job, against a bare FastAPI endpoint with a writer thread.

`python -m benchmarks.spawns [--rounds 7] [--requests 4000]`
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
from benchmarks.report import Report, median, milliseconds, percentile, spread
from benchmarks.servers import QUICK, Measured, serving
from tests.support.load_generator import Plan, generate

BODY = {"agent": "quick", "input": "What do the docs say about cancel?"}
SETTINGS: dict[str, Any] = {
    "agents": {"quick": QUICK},
    "limits": {"queue_capacity": 10_000_000, "max_concurrent_jobs": 16},
    "telemetry": {"log_format": "json"},
}
CONNECTIONS = 32
DEADLINE_SECONDS = 120.0


def accept(server: Measured, requests: int) -> float:
    """Return spawns accepted a second while nothing works on them."""
    plan = Plan(server.url, BODY, connections=CONNECTIONS, requests=requests, headers=server.headers)
    load = generate(plan)
    assert set(load.statuses) == {202}
    return requests / load.elapsed_seconds


def finish(server: Measured, requests: int) -> float:
    """Return jobs finished a second, from the first spawn to the last end."""
    path = "/v1/jobs" if server.name == "airboss" else "/v1/jobs?run=1"
    with server.client() as client:
        plan = Plan(
            server.url,
            BODY,
            path=path,
            connections=CONNECTIONS,
            requests=requests,
            headers=server.headers,
        )
        load = generate(plan)
        assert set(load.statuses) == {202}
        while _left(server, client):
            assert time.monotonic() - load.began_at < DEADLINE_SECONDS, "jobs are left"
            time.sleep(0.005)
        return requests / (time.monotonic() - load.began_at)


def _left(server: Measured, client: httpx2.Client) -> int:
    """Count the jobs that have not ended; both servers keep this number and need no query."""
    if server.name != "airboss":
        return int(client.get("/left").json()["left"])
    agent = client.get("/v1/agents/quick").json()
    return int(agent["pending"]) + int(agent["running"])


def one_by_one(server: Measured, requests: int) -> list[float]:
    """Return how long each job took from `POST` to the answer that it has ended, for one client."""
    path, headers = "/v1/jobs", {"Prefer": "wait=30", **server.headers}
    if server.name != "airboss":
        path, headers = "/v1/jobs?run=1&wait=1", {}
    plan = Plan(server.url, BODY, path=path, headers=headers, connections=1, requests=requests)
    load = generate(plan)
    assert set(load.statuses) <= {200, 202}
    return load.seconds


def side_by_side(
    servers: Sequence[Measured], rounds: int, measure: Callable[[Measured], float]
) -> tuple[dict[str, list[float]], list[float]]:
    """Measure both in turn, the other first each time; return the figures and their ratios."""
    figures: dict[str, list[float]] = {server.name: [] for server in servers}
    cpu: dict[str, list[float]] = {server.name: [] for server in servers}
    for number in range(rounds):
        for server in servers if number % 2 else reversed(servers):
            before = server.cpu_seconds
            figures[server.name].append(measure(server))
            cpu[server.name].append(server.cpu_seconds - before)
    return figures, cpu


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=4000)
    parser.add_argument("--only", choices=["accept", "finish", "one"], default=None)
    arguments = parser.parse_args()
    report = Report("Spawns and jobs")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        airboss = stack.enter_context(serving("airboss", folder / "airboss", SETTINGS))
        reference = stack.enter_context(serving("spawns", folder / "reference"))
        servers = [airboss, reference]
        for server in servers:
            one_by_one(server, 50)
        if arguments.only in (None, "accept"):
            with airboss.client() as client:
                client.post("/v1/coord/queues/quick/pause").raise_for_status()
            compare(report, "durable spawns accepted/s", servers, accept, arguments)
            with airboss.client() as client:
                client.post("/v1/coord/queues/quick/resume").raise_for_status()
                while _left(airboss, client):
                    time.sleep(0.05)
        if arguments.only in (None, "finish"):
            compare(report, "durable no-op jobs finished/s", servers, finish, arguments)
        if arguments.only in (None, "one"):
            report_one(report, servers, arguments)
    report.print()


def compare(
    report: Report,
    name: str,
    servers: Sequence[Measured],
    measure: Callable[[Measured, int], float],
    arguments: argparse.Namespace,
) -> None:
    requests = arguments.requests
    rates, cpu = side_by_side(servers, arguments.rounds, lambda server: measure(server, requests))
    ratios = [ours / theirs for ours, theirs in zip(rates["airboss"], rates["spawns"], strict=True)]
    micros = {each: median(seconds) / requests * 1e6 for each, seconds in cpu.items()}
    report.add(name, f"{median(rates['airboss']):.0f} against {median(rates['spawns']):.0f}")
    report.add(f"{name}, ratio", spread(ratios), "≥ 0.60", kept=median(ratios) >= 0.60)
    report.add(f"{name}, CPU each", f"{micros['airboss']:.0f} µs against {micros['spawns']:.0f} µs")


def report_one(report: Report, servers: Sequence[Measured], arguments: argparse.Namespace) -> None:
    requests = max(100, arguments.requests // 10)
    seconds: dict[str, list[float]] = {server.name: [] for server in servers}
    side_by_side(servers, arguments.rounds, lambda server: _extend(seconds[server.name], server, requests))
    for share, goal_seconds in ((0.5, 0.002), (0.99, 0.006)):
        ours, theirs = (percentile(seconds[server.name], share) for server in servers)
        report.add(
            f"POST to final state, one client, p{share * 100:.0f}",
            f"{milliseconds(ours)} (reference {milliseconds(theirs)})",
            f"≤ {milliseconds(goal_seconds)}",
            kept=ours <= goal_seconds,
        )


def _extend(seconds: list[float], server: Measured, requests: int) -> float:
    took = one_by_one(server, requests)
    seconds += took
    return median(took)


if __name__ == "__main__":
    main()
