"""What is released: from pinned parts, by a workflow that may do little, with a list of what is in it."""

import json
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.support.documents import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED_ACTION = re.compile(r"[\w./-]+@[0-9a-f]{40}")
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
AUDIT = ROOT / ".ci" / "audit_dependencies.py"


def workflow(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def release() -> Any:
    return workflow(ROOT / ".github" / "workflows" / "release.yml")


def steps(document: Any) -> list[dict[str, Any]]:
    return [step for job in document["jobs"].values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit_that_says_its_version(path: Path) -> None:
    for step in steps(workflow(path)):
        if "uses" in step:
            assert PINNED_ACTION.fullmatch(step["uses"]), step
    for line in path.read_text().splitlines():
        assert "uses:" not in line or re.search(r"# v\d+\.\d+\.\d+$", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_no_workflow_runs_what_others_can_write(path: Path) -> None:
    # YAML 1.1 reads the key `on` as true.
    assert "pull_request_target" not in workflow(path)[True]
    for step in steps(workflow(path)):
        assert "${{" not in step.get("run", ""), "values come by the environment, not into a shell's text"


def test_a_release_may_do_what_each_of_its_jobs_needs_and_no_more() -> None:
    document = release()
    assert document["permissions"] == {}
    assert {name: job["permissions"] for name, job in document["jobs"].items()} == {
        "build": {"contents": "read"},
        "attest": {"id-token": "write", "attestations": "write"},
        "publish": {"contents": "write"},
    }
    assert document[True] == {"push": {"tags": ["v*"]}}


def test_what_writes_runs_no_code_of_the_repository() -> None:
    jobs = release()["jobs"]
    for name in ("attest", "publish"):
        assert not any("checkout" in step.get("uses", "") for step in jobs[name]["steps"])
        assert not any("make" in step.get("run", "") for step in jobs[name]["steps"])
    assert (jobs["attest"]["needs"], jobs["publish"]["needs"]) == ("build", "attest")


def test_a_release_is_checked_audited_listed_and_attested() -> None:
    runs = [step["run"].split()[1] for step in release()["jobs"]["build"]["steps"] if "run" in step]
    assert runs == ["check", "audit-dependencies", "dist", "sbom"]
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(runs) <= targets
    attestations = [
        step["with"] for step in release()["jobs"]["attest"]["steps"] if "attest@" in step["uses"]
    ]
    assert [attestation.get("sbom-path") for attestation in attestations] == [None, "dist/airboss.cdx.json"]
    assert all("dist/*.whl" in attestation["subject-path"] for attestation in attestations)


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_dependency_is_pinned_with_hashes(path: Path) -> None:
    joined = path.read_text().replace("\\\n", " ")
    pins = [line for line in joined.splitlines() if line and not line.lstrip().startswith("#")]
    assert len(pins) > 10
    for pin in pins:
        assert re.match(r"[A-Za-z0-9._-]+==\S+ ", pin), pin
        assert "--hash=sha256:" in pin, pin


# -- the audit of the dependencies ------------------------------------------------------------------


def audited(tmp_path: Path, report: Any, said: str = "", code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the audit with a pip-audit that reports this; None: it fails before it can."""
    program = tmp_path / "pip-audit"
    body = f"""#!{sys.executable}
import sys
report = {json.dumps(report)!r}
if report != "null":
    open(sys.argv[sys.argv.index("--output") + 1], "w").write(report)
sys.stderr.write({said!r})
sys.exit({code})
"""
    program.write_text(body)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return subprocess.run(
        [sys.executable, str(AUDIT), str(program), "requirements/runtime.txt"],
        capture_output=True,
        text=True,
        check=False,
    )


def dependency(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "version": "1.0", "vulns": [], **fields}


def test_dependencies_that_nobody_knows_anything_bad_of_pass(tmp_path: Path) -> None:
    done = audited(tmp_path, {"dependencies": [dependency("a"), dependency("b")]})
    assert done.returncode == 0, done.stderr
    assert "2 of 2 looked up, 0 with known advisories" in done.stderr


def test_a_known_vulnerability_fails_and_names_the_cure(tmp_path: Path) -> None:
    bad = dependency("a", vulns=[{"id": "PYSEC-2026-1", "fix_versions": ["1.1"]}])
    done = audited(tmp_path, {"dependencies": [bad, dependency("b")]}, code=1)
    assert done.returncode == 1
    assert "a 1.0: PYSEC-2026-1; fixed in: 1.1" in done.stderr


def test_a_source_that_cannot_be_asked_is_no_clean_result(tmp_path: Path) -> None:
    done = audited(tmp_path, None, said="ConnectionError: no route to the source\n", code=1)
    assert done.returncode == 3
    assert "NOT AUDITED: the advisory source could not be asked" in done.stderr
    assert "no route to the source" in done.stderr


def test_dependencies_that_the_source_does_not_know_are_no_clean_result(tmp_path: Path) -> None:
    # pip-audit itself says "No known vulnerabilities found" and ends with 0.
    skipped = [{"name": "a", "skip_reason": "not found"}, {"name": "b", "skip_reason": "not found"}]
    done = audited(tmp_path, {"dependencies": skipped}, said="No known vulnerabilities found\n")
    assert done.returncode == 3
    assert "0 of 2 looked up" in done.stderr
    assert "NOT AUDITED" in done.stderr
