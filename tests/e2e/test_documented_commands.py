"""What the documentation tells readers to do, done."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.documents import PAGES, ROOT, Block, blocks, name_of
from tests.support.server import ServerProcess, running_server

from airboss.config import load_settings
from airboss.config.runtime_config import to_runtime_config
from airboss.runtime.runtime import Runtime

ALL = [block for page in PAGES for block in blocks(page)]
COMMANDS = [block for block in ALL if block.language in ("sh", "console")]
RUN = [block for block in COMMANDS if block.not_run is None]
YAML = [block for block in ALL if block.language == "yaml"]

DOCUMENTED_ADDRESS = "http://127.0.0.1:8700"
MOST_NOT_RUN = 9
SECONDS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server in a folder that looks like a checkout that was set up."""
    folder = tmp_path_factory.mktemp("documented")
    (folder / "workspace").mkdir()
    (folder / "workspace" / "notes.md").write_text("# Notes\nA cancel stops the work of a running job.\n")
    (folder / ".venv").symlink_to(sys.prefix)
    with running_server(folder) as server:
        yield server


def run(text: str, server: ServerProcess) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text.replace(DOCUMENTED_ADDRESS, server.url)],
        cwd=server.folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(server.folder), "AIRBOSS_URL": server.url},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize("page", dict.fromkeys(block.page for block in RUN), ids=name_of)
def test_every_command_does_what_it_says(page: Path, server: ServerProcess) -> None:
    for block in (block for block in RUN if block.page == page):
        done = run(block.text, server)
        told = f"{block.place}\n{block.text}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == 0, told
        # curl takes an error for an answer like any other.
        assert '"error":{"code"' not in done.stdout, told


def test_few_commands_are_not_run_and_each_says_why() -> None:
    not_run = [block for block in COMMANDS if block.not_run is not None]
    sys.stdout.writelines(f"{block.place} is not run: {block.not_run}\n" for block in not_run)
    assert len(not_run) <= MOST_NOT_RUN


@pytest.mark.parametrize("block", YAML, ids=lambda block: block.place)
def test_every_yaml_block_is_a_settings_file(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "airboss.yaml"
    path.write_text(block.text)
    loaded = load_settings(config_path=path, environ={}, flags={}, cwd=tmp_path)
    # Built, and not started: that is where a tool that does not exist is refused.
    Runtime(to_runtime_config(loaded.settings, {}, tmp_path), lambda reference: reference)


def test_the_address_in_the_documents_is_the_default() -> None:
    loaded = load_settings(config_path=None, environ={}, flags={}, cwd=ROOT / "tests")
    server = loaded.settings.server
    assert f"http://{server.host}:{server.port}" == DOCUMENTED_ADDRESS
