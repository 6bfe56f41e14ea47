"""Fixtures that every test may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.server import ServerProcess, running_server


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One server with the built-in agents for all tests that leave it as they found it."""
    folder = tmp_path_factory.mktemp("server")
    workspace = folder / "workspace"
    workspace.mkdir()
    (workspace / "notes.md").write_text("# Notes\nA cancel stops the work of a running job.\n")
    with running_server(folder) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for a server of the test's own."""
    return tmp_path / "server"
