"""MCP servers that others wrote: installed once, started over stdio, or over HTTP in a network of their own."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.peers import FOLDER, _install

from airboss.domain.mcp_servers import ProcessSpec

EVERYTHING = ("@modelcontextprotocol/server-everything", "2026.8.31")
FILESYSTEM = ("@modelcontextprotocol/server-filesystem", "2026.8.31")
CONFORMANCE = ("@modelcontextprotocol/conformance", "0.1.16")
TIME = ("mcp-server-time", "2026.10.19")
GIT = ("mcp-server-git", "2026.10.19")


def everything() -> ProcessSpec:
    return _node(_npm(EVERYTHING) / "server-everything" / "dist" / "index.js", "stdio")


def filesystem(root: Path) -> ProcessSpec:
    return _node(_npm(FILESYSTEM) / "server-filesystem" / "dist" / "index.js", str(root))


def time_server() -> ProcessSpec:
    return ProcessSpec(str(_pip(TIME) / "bin" / "mcp-server-time"), ("--local-timezone", "UTC"))


def git_server(repository: Path) -> ProcessSpec:
    return ProcessSpec(str(_pip(GIT) / "bin" / "mcp-server-git"), ("--repository", str(repository)))


def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("NOT TESTED against MCP servers of npm: this machine has no node")
    return found


def conformance() -> Sequence[str]:
    """Return the command of the conformance suite."""
    return (node(), str(_npm(CONFORMANCE) / "conformance" / "dist" / "index.js"))


def _node(script: Path, *arguments: str) -> ProcessSpec:
    return ProcessSpec(node(), (str(script), *arguments))


def _npm(package: tuple[str, str]) -> Path:
    """Install a package of npm and return its scope's folder; skips, loudly, where there is no npm."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip(f"NOT TESTED against {package[0]}: this machine has no npm")
    place = FOLDER / f"{package[0].rpartition('/')[2]}-{package[1]}"
    flags = (
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--fetch-retries",
        "1",
        "--fetch-timeout",
        "20000",
    )
    _install(place, [[npm, "install", "--prefix", str(place), "@".join(package), *flags]])
    return place / "node_modules" / "@modelcontextprotocol"


def _pip(package: tuple[str, str]) -> Path:
    place = FOLDER / f"{package[0]}-{package[1]}"
    pip = [str(place / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    _install(place, [[sys.executable, "-m", "venv", str(place)], [*pip, "==".join(package)]])
    return place
