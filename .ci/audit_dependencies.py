# ruff: noqa: INP001 - a script of the build, not a package
"""Asks an advisory source about every pinned dependency, and says clearly where it could not.

pip-audit leaves out what its source does not know and still ends with "No known vulnerabilities found" and 0;
behind a mirror that has no advisories that is all of them. Here a dependency that was not looked up is a failure.

Exit codes: 0 all were looked up and nothing is known; 1 something is known; 3 not all could be looked up; 2 usage.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NOTHING_KNOWN, KNOWN, USAGE, NOT_AUDITED = 0, 1, 2, 3
_LAST_WORDS = 300
_SKIPPED_SHOWN = 5


def main(arguments: Sequence[str]) -> int:
    if len(arguments) < 2:  # noqa: PLR2004 - the program and its files
        sys.stderr.write("usage: audit_dependencies.py PIP_AUDIT REQUIREMENTS...\n")
        return USAGE
    pip_audit, *files = arguments
    return max(audit(pip_audit, Path(file)) for file in files)


def audit(pip_audit: str, file: Path) -> int:
    """Audit one file of pinned requirements and tell the outcome."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        done = subprocess.run(  # noqa: S603 - the program that the Makefile installed
            [
                *(pip_audit, "--requirement", str(file), "--require-hashes", "--disable-pip"),
                *("--vulnerability-service", "osv", "--progress-spinner", "off"),
                *("--format", "json", "--output", str(report)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        document = _read(report)
    if document is None:
        return _tell_unreachable(file, done.stderr)
    return _tell(file, document["dependencies"])


def _read(report: Path) -> Any:
    try:
        document = json.loads(report.read_text())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) and "dependencies" in document else None


def _tell_unreachable(file: Path, said: str) -> int:
    last = said.strip().splitlines()[-1:] or ["nothing"]
    sys.stderr.write(
        f"{file}: NOT AUDITED: the advisory source could not be asked. This says nothing about the"
        f" dependencies; try again where https://osv.dev can be reached.\n  pip-audit said: {last[0][:_LAST_WORDS]}\n"
    )
    return NOT_AUDITED


def _tell(file: Path, dependencies: Sequence[Any]) -> int:
    skipped = [each for each in dependencies if "skip_reason" in each]
    known = [each for each in dependencies if each.get("vulns")]
    for each in known:
        ids = ", ".join(vulnerability["id"] for vulnerability in each["vulns"])
        fixed = {version for vulnerability in each["vulns"] for version in vulnerability["fix_versions"]}
        sys.stderr.write(
            f"{file}: {each['name']} {each['version']}: {ids}; fixed in: {', '.join(sorted(fixed)) or 'none yet'}\n"
        )
    looked_up = len(dependencies) - len(skipped)
    sys.stderr.write(
        f"{file}: {looked_up} of {len(dependencies)} looked up, {len(known)} with known advisories\n"
    )
    if skipped or not dependencies:
        names = ", ".join(each["name"] for each in skipped[:_SKIPPED_SHOWN])
        sys.stderr.write(f"{file}: NOT AUDITED: the source knows nothing of {len(skipped)}: {names} …\n")
        return NOT_AUDITED
    return KNOWN if known else NOTHING_KNOWN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
