"""What can be known of the container and workflow files without an engine to run them."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from tests.support.documents import ROOT
from tests.support.server import ServerProcess

from airboss.config import load_settings

DOCKERFILE = ROOT / "docker" / "Dockerfile"
KNOWN = {"FROM", "RUN", "CMD", "EXPOSE", "ENV", "COPY", "ENTRYPOINT", "VOLUME", "USER", "WORKDIR"}
PINNED_ACTION = re.compile(r"[\w./-]+@[0-9a-f]{40}")


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions: comments left out, continued lines joined."""
    lines = [line for line in DOCKERFILE.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    split = (line.partition(" ") for line in joined.splitlines() if line.strip())
    return [(name, rest.strip()) for name, _, rest in split]


def final_stage() -> list[tuple[str, str]]:
    all_of_them = instructions()
    last = max(index for index, (name, _) in enumerate(all_of_them) if name == "FROM")
    return all_of_them[last:]


def rest_of(name: str, stage: list[tuple[str, str]]) -> str:
    (rest,) = [rest for each, rest in stage if each == name]
    return rest


def compose() -> Any:
    return yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())


def test_the_dockerfile_is_made_of_known_instructions() -> None:
    assert {name for name, _ in instructions()} <= KNOWN | {"STOPSIGNAL", "HEALTHCHECK"}
    assert sum(name == "FROM" for name, _ in instructions()) == 2


def test_what_it_copies_is_there_and_not_ignored() -> None:
    kept = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    sources = [
        source
        for name, rest in instructions()
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    ]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source in kept, source


def test_dependencies_are_installed_by_hash() -> None:
    installs = [rest for name, rest in instructions() if name == "RUN" and "pip install" in rest]
    assert installs
    assert all("--require-hashes" in rest or "--no-deps" in rest for rest in installs)


def test_it_runs_as_nobody_special_and_keeps_its_data() -> None:
    stage = final_stage()
    assert rest_of("USER", stage).split(":")[0] not in ("0", "root")
    assert json.loads(rest_of("VOLUME", stage)) == ["/data"]
    assert json.loads(rest_of("ENTRYPOINT", stage)) == ["airboss"]
    assert json.loads(rest_of("CMD", stage)) == ["serve"]


def test_its_variables_are_settings(tmp_path: Path) -> None:
    pairs = dict(pair.split("=", 1) for pair in rest_of("ENV", final_stage()).split())
    environ = {name: value for name, value in pairs.items() if name.startswith("AIRBOSS_")}
    settings = load_settings(config_path=None, environ=environ, flags={}, cwd=tmp_path).settings
    assert str(settings.server.data_dir) == "/data"


def test_its_health_check_asks_a_server(shared_server: ServerProcess) -> None:
    rest = rest_of("HEALTHCHECK", final_stage())
    command = json.loads(rest[rest.index("[") :])
    assert command[0] == "python"
    port = shared_server.url.rpartition(":")[2]
    for variable, code in ((port, 0), ("1", 1)):
        done = subprocess.run(
            [sys.executable, *command[1:]],
            env={"AIRBOSS_SERVER__PORT": variable},
            capture_output=True,
            check=False,
        )
        assert done.returncode == code, done.stderr


def test_compose_leads_to_the_dockerfile_and_keeps_the_data() -> None:
    document = compose()
    (service,) = document["services"].values()
    folder = (ROOT / "docker" / service["build"]["context"]).resolve()
    assert (folder / service["build"]["dockerfile"]).resolve() == DOCKERFILE
    volume = next(each for each in service["volumes"] if each.endswith(":/data"))
    assert volume.partition(":")[0] in document["volumes"]
    # Loopback of a network of its own could be reached by nobody.
    assert service["network_mode"] == "host"


def test_compose_waits_longer_than_a_drain(tmp_path: Path) -> None:
    (service,) = compose()["services"].values()
    settings = load_settings(config_path=None, environ={}, flags={}, cwd=tmp_path).settings
    assert int(service["stop_grace_period"].removesuffix("s")) > settings.server.shutdown_grace_seconds


def test_the_workflow_runs_what_the_makefile_has_and_pins_its_actions() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    for step in steps:
        if "uses" in step:
            assert PINNED_ACTION.fullmatch(step["uses"]), step
        else:
            command, target, *_ = step["run"].split()
            assert command == "make"
            assert target in targets
    # YAML 1.1 reads the key `on` as true.
    assert set(workflow[True]) == {"push", "pull_request"}
