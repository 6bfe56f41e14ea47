"""Runs the client's side of the MCP conformance suite and tells what passed: `python -m tests.support.mcp_conformance`.

The suite's servers listen on every interface, so that it runs in a network of its own.
"""

import json
import re
import shlex
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.support import mcp_peers

CLIENT = Path(__file__).with_name("conformance_client.py")
SCENARIO_SECONDS = 60
_LISTED = re.compile(r"^\s+- (\S+) \[", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    scenario: str
    passed: int
    failed: int
    complaints: tuple[str, ...]

    @property
    def is_pass(self) -> bool:
        return self.failed == 0 and self.passed > 0


def scenarios() -> list[str]:
    command = [*mcp_peers.conformance(), "list", "--client"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return _LISTED.findall(listed)


def run(scenario: str) -> Outcome:
    client = shlex.join([sys.executable, str(CLIENT)])
    with tempfile.TemporaryDirectory() as folder:
        command = mcp_peers.lonely(
            *mcp_peers.conformance(),
            *("client", "--command", client, "--scenario", scenario, "--output-dir", folder),
        )
        subprocess.run(command, capture_output=True, timeout=SCENARIO_SECONDS, check=False, cwd=folder)
        (results,) = Path(folder).rglob("checks.json")
        checks = json.loads(results.read_text())
    failed = [check for check in checks if check["status"] == "FAILURE"]
    return Outcome(
        scenario,
        passed=sum(check["status"] == "SUCCESS" for check in checks),
        failed=len(failed),
        complaints=tuple(
            f"{check['id']}: {check.get('errorMessage') or check['description']}" for check in failed
        ),
    )


def main() -> None:
    outcomes = [run(scenario) for scenario in scenarios()]
    for outcome in outcomes:
        verdict = "pass" if outcome.is_pass else "FAIL"
        sys.stdout.write(f"{verdict} {outcome.scenario}: {outcome.passed} passed, {outcome.failed} failed\n")
        for complaint in outcome.complaints:
            sys.stdout.write(f"     {complaint[:200]}\n")
    sys.stdout.write(f"{sum(outcome.is_pass for outcome in outcomes)} of {len(outcomes)} scenarios pass\n")


if __name__ == "__main__":
    main()
