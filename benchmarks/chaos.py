"""The long run of the crash tests, by hand: `make chaos`, or with other numbers.

    python -m benchmarks.chaos --jobs 2000 --kills 50 --seed 1
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.support.chaos import ChaosPlan, ChaosRun, ServerUnderFire
from tests.support.chaos_provider import chaos_provider, chaos_settings
from tests.support.chaos_verdict import Verdict


def main() -> int:
    parser = argparse.ArgumentParser(description="Kill a working server again and again.")
    parser.add_argument("--jobs", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=20261121)
    asked = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as home, chaos_provider() as provider:
        folder = Path(home) / "server"
        (folder / "workspace").mkdir(parents=True)
        (folder / "workspace" / "notes.md").write_text("Two engines run.\n")
        server = ServerUnderFire(folder, chaos_settings(provider))
        run = ChaosRun(ChaosPlan(asked.jobs, asked.kills, asked.seed), provider, server)
        try:
            run.run()
            verdict = Verdict(run)
        finally:
            server.kill()
        print(verdict.table())
        print(f"seed {asked.seed}, {time.monotonic() - began:.0f} s")
        print(*verdict.log_errors()[:5], *run.changed[:5], sep="\n")
    return 1 if verdict.broken else 0


if __name__ == "__main__":
    sys.exit(main())
