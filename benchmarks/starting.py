"""Seconds from the start of the process to the first ready 200, and memory while nothing is asked of it.

`python -m benchmarks.starting [--rounds 9]`
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
from benchmarks.report import Report, median
from benchmarks.servers import Measured

_READY = re.compile(r"API\s+(http\S+)/v1")
GOAL_SECONDS, GOAL_MEGABYTES = 1.0, 80


def start(folder: Path) -> tuple[float, float]:
    """Return the seconds to ready, and the resident megabytes a little later."""
    command = [sys.executable, "-m", "airboss", "serve", "--port", "0"]
    began = time.perf_counter()
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert process.stdout is not None
        url = next(found[1] for line in process.stdout if (found := _READY.search(line)))
        with httpx2.Client(base_url=url, trust_env=False, verify=False) as client:
            while client.get("/health/ready").status_code != 200:
                time.sleep(0.002)
            seconds = time.perf_counter() - began
            # Ten probes and scrapes: what every server that runs has been asked.
            for _ in range(10):
                client.get("/health/ready").raise_for_status()
                client.get("/metrics").raise_for_status()
        return seconds, Measured("airboss", url, process).resident_bytes / 2**20
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        # The first start also makes the database, and reads the program from disk.
        start(folder)
        measured = [start(folder) for _ in range(arguments.rounds)]
    seconds, megabytes = zip(*measured, strict=True)
    report = Report("Starting")
    report.add(
        "start to ready",
        f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})",
        f"≤ {GOAL_SECONDS:.1f} s",
        kept=median(seconds) <= GOAL_SECONDS,
    )
    report.add(
        "idle memory, no SDK loaded",
        f"{median(megabytes):.0f} MB (to {max(megabytes):.0f})",
        f"≤ {GOAL_MEGABYTES} MB",
        kept=median(megabytes) <= GOAL_MEGABYTES,
    )
    report.add("load of the machine", f"{os.getloadavg()[0]:.1f}")
    report.print()


if __name__ == "__main__":
    main()
