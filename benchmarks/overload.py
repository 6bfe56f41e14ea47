"""Far too much work: refusals, memory, one agent beside a hogging one, and what is left after 10,000 jobs.

`python -m benchmarks.overload [--seconds 60] [--rounds 5] [--only flood|hog|mixed]`
"""

import argparse
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
from benchmarks.report import Report, median, milliseconds, percentile, spread
from benchmarks.servers import QUICK, Measured, serving
from tests.support.load_generator import Plan, generate, start

SLOTS = 16
#: How long a job takes: with the slots it makes what the server can do, and ten times that the load.
JOB_SECONDS = 0.4
CAN_DO = SLOTS / JOB_SECONDS
DEADLINE_SECONDS = 180.0
SETTINGS: dict[str, Any] = {
    "agents": {"quick": QUICK, "hog": QUICK},
    "limits": {"queue_capacity": 200, "max_concurrent_jobs": SLOTS},
    "telemetry": {"log_format": "json"},
}


def flood(report: Report, folder: Path, arguments: argparse.Namespace) -> None:
    """Ten times what can be done, from a generator that does not wait for the server."""
    body = {"agent": "quick", "input": JOB_SECONDS}
    with ExitStack() as stack:
        server = stack.enter_context(serving("airboss", folder / "flood", SETTINGS))
        client = stack.enter_context(server.client())
        # At its usual load first: what a server holds that has worked for a while is what may grow.
        generate(Plan(server.url, body, connections=64, rate=CAN_DO, seconds=10, headers=server.headers))
        until_empty(client)
        before = server.resident_bytes
        seconds = arguments.seconds
        plan = Plan(
            server.url,
            body,
            connections=64,
            rate=10 * CAN_DO,
            seconds=seconds,
            keep=("id",),
            headers=server.headers,
        )
        running = start(plan)
        most = before
        while running.process.poll() is None:
            most = max(most, server.resident_bytes)
            time.sleep(0.25)
        load = running.result()
        until_empty(client)
        counts = Counter(load.statuses)
        lost = [job for job in load.accepted if _state(client, job["id"]) != "completed"]
    refused = load.seconds_of(429)
    hints = [
        int(value or 0)
        for value, status in zip(load.retry_after, load.statuses, strict=True)
        if status == 429
    ]
    report.add(
        f"load for {seconds:g} s",
        f"{len(load.statuses) / load.elapsed_seconds:.0f}/s asked where {CAN_DO:.0f}/s can be done",
    )
    report.add(
        "answers",
        ", ".join(f"{count} times {status}" for status, count in sorted(counts.items())),
        "202 and 429 only",
        kept=set(counts) <= {202, 429},
    )
    report.add("accepted jobs that did not complete", str(len(lost)), "0", kept=not lost)
    report.add(
        "Retry-After of refusals",
        f"{min(hints)} to {max(hints)} s",
        "1 to 300",
        kept=1 <= min(hints) <= max(hints) <= 300,
    )
    p99 = percentile(refused, 0.99)
    report.add(
        f"refusal, p99 (p50 {milliseconds(percentile(refused, 0.5))})",
        milliseconds(p99),
        "≤ 50 ms",
        kept=p99 <= 0.05,
    )
    grown = most / before - 1
    report.add(
        f"memory, greatest over {before / 2**20:.0f} MB", f"{grown:+.1%}", "≤ +10 %", kept=grown <= 0.10
    )


def hog(report: Report, folder: Path, arguments: argparse.Namespace) -> None:
    """One agent's queue is always long; the other one's jobs come one at a time."""
    settings = SETTINGS | {"limits": {"queue_capacity": 100_000, "max_concurrent_jobs": 4}}
    alone: list[float] = []
    beside: list[float] = []
    with ExitStack() as stack:
        server = stack.enter_context(serving("airboss", folder / "hog", settings))
        client = stack.enter_context(server.client())
        for _ in range(arguments.rounds):
            alone.append(percentile(_one_by_one(server), 0.99))
            client.post("/v1/coord/queues/hog/pause").raise_for_status()
            generate(Plan(server.url, {"agent": "hog", "input": 0.01}, requests=2500, headers=server.headers))
            client.post("/v1/coord/queues/hog/resume").raise_for_status()
            beside.append(percentile(_one_by_one(server), 0.99))
            assert client.get("/v1/agents/hog").json()["pending"], "the hog ran out of jobs"
            until_empty(client)
    ratios = [with_it / without for with_it, without in zip(beside, alone, strict=True)]
    report.add(
        "a job beside 2,500 of another agent, p99",
        f"{milliseconds(median(beside))} against {milliseconds(median(alone))} alone",
    )
    report.add("its ratio", spread(ratios), "≤ 2", kept=median(ratios) <= 2)


def _one_by_one(server: Measured) -> list[float]:
    body = {"agent": "quick", "input": 0.01}
    plan = Plan(
        server.url, body, connections=1, requests=150, headers={"Prefer": "wait=30", **server.headers}
    )
    load = generate(plan)
    assert set(load.statuses) == {200}
    return load.seconds


def mixed(report: Report, folder: Path, arguments: argparse.Namespace, *, jobs: int = 10_000) -> None:
    """Jobs that complete, are cancelled in the queue or at work, run out of time or wait too long."""
    settings = SETTINGS | {"limits": {"queue_capacity": 100_000, "max_concurrent_jobs": SLOTS}}
    with ExitStack() as stack:
        server = stack.enter_context(serving("airboss", folder / "mixed", settings))
        client = stack.enter_context(server.client())
        _mix(server, 500)
        until_empty(client)
        descriptors, resident = server.descriptors, server.resident_bytes
        began = time.monotonic()
        _mix(server, jobs)
        until_empty(client)
        seconds = time.monotonic() - began
        # The connections of the clients that made the load close in their own time.
        until = time.monotonic() + 10
        while server.descriptors > descriptors and time.monotonic() < until:
            time.sleep(0.1)
        report.add(f"{jobs} jobs, cancels and time-outs among them", f"{seconds:.0f} s")
        left = server.descriptors - descriptors
        report.add("descriptors more than before", str(left), "0", kept=left <= 0)
        queues = client.get("/v1/coord/queues").json()["data"]
        held = sum(queue["running"] + queue["depth"] for queue in queues)
        report.add("slots held and jobs queued", str(held), "0", kept=held == 0)
        grown = server.resident_bytes - resident
        report.add("memory more than before", f"{grown / 2**20:+.1f} MB")
        client.close()
        used, began = server.cpu_seconds, time.monotonic()
        time.sleep(10)
        share = (server.cpu_seconds - used) / (time.monotonic() - began)
        report.add("idle CPU behind them", f"{share:.1%}", "≤ 2 %", kept=share <= 0.02)


def _mix(server: Measured, jobs: int) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda part: _mix_part(server, range(part, jobs, 8)), range(8)))


def _mix_part(server: Measured, numbers: range) -> None:
    with server.client() as client:
        for number in numbers:
            body: dict[str, Any] = {"agent": ("quick", "hog")[number % 2], "input": 0.002}
            match number % 10:
                case 0 | 1:
                    body |= {"input": 60, "timeout_seconds": 0.02}
                case 2:
                    body |= {"max_queue_wait_seconds": 0.001}
                case 3 | 4:
                    body |= {"input": 60}
            job = client.post("/v1/jobs", json=body).raise_for_status().json()
            if number % 10 in (3, 4, 5):
                answer = client.post(job["links"]["cancel"])
                assert answer.status_code in (200, 202, 409)


def until_empty(client: httpx2.Client) -> None:
    """Wait until no job is pending or running."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while any(queue["depth"] + queue["running"] for queue in client.get("/v1/coord/queues").json()["data"]):
        assert time.monotonic() < deadline, "jobs are left"
        time.sleep(0.05)


def _state(client: httpx2.Client, job_id: str) -> str:
    return str(client.get(f"/v1/jobs/{job_id}").json()["state"])


PARTS = {"flood": flood, "hog": hog, "mixed": mixed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=sorted(PARTS), default=None)
    arguments = parser.parse_args()
    report = Report("Overload")
    with tempfile.TemporaryDirectory() as folder:
        for name, part in PARTS.items():
            if arguments.only in (None, name):
                part(report, Path(folder), arguments)
    report.print()


if __name__ == "__main__":
    main()
