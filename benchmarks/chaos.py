"""The long runs of the crash and drain tests, by hand: `make chaos`, or with other numbers.

    python -m benchmarks.chaos --jobs 2000 --kills 50 --seed 1
    python -m benchmarks.chaos --signal SIGTERM --jobs 300 --kills 20

The second kind of run drains, with a grace of a second, and lets jobs take longer than that.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals

from tests.support.chaos import ChaosPlan, ChaosRun, ServerUnderFire
from tests.support.chaos_provider import chaos_provider, chaos_settings
from tests.support.chaos_verdict import Verdict

_GRACE_SECONDS = 1
_PACE_MS = {SIGKILL: (5.0, 40.0), SIGTERM: (5.0, 1200.0)}


def main() -> int:
    parser = argparse.ArgumentParser(
        description="End a working server again and again, and count what is lost."
    )
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--signal", choices=["SIGKILL", "SIGTERM"], default="SIGKILL")
    asked = parser.parse_args()
    number = Signals[asked.signal]
    plan = ChaosPlan(asked.jobs, asked.kills, asked.seed, pace_ms=_PACE_MS[number], signal=number)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home, chaos_provider() as provider:
        folder = Path(home) / "server"
        (folder / "workspace").mkdir(parents=True)
        (folder / "workspace" / "notes.md").write_text("Two engines run.\n")
        settings = chaos_settings(provider) | {"server": {"shutdown_grace_seconds": _GRACE_SECONDS}}
        server = ServerUnderFire(folder, settings)
        run = ChaosRun(plan, provider, server)
        try:
            run.run()
            verdict = Verdict(run)
        finally:
            server.kill()
        print(verdict.table())
        print(f"{asked.signal}, seed {asked.seed}, {time.monotonic() - began:.0f} s")
        print(*verdict.log_errors()[:5], *run.changed[:5], sep="\n")
    return 1 if verdict.broken else 0


if __name__ == "__main__":
    sys.exit(main())
