"""A client command loads no server: what it imports is what its user waits for."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "airboss"
HEAVY = {
    "fastapi",
    "starlette",
    "uvicorn",
    "uvloop",
    "pydantic_settings",
    "yaml",
    "agents",
    "openai",
    "structlog",
}
OWN_HEAVY = {
    "airboss.app",
    "airboss.api",
    "airboss.runtime",
    "airboss.config",
    "airboss.manager",
    "airboss.loop",
}
#: By name and not by import, each with its reason in the module itself.
LATE_IMPORTERS = {
    "app/late.py",
    "cli/late.py",
    "providers/anthropic_native/model.py",
    "runtime/authentication.py",
    "runtime/lazy_loop.py",
    "runtime/lazy_mcp.py",
    "security/vault/api.py",
}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["--version"],
        ["jobs", "list"],
        ["jobs", "spawn", "offline", "x", "--wait"],
        ["jobs", "watch", "x"],
        ["jobs", "cancel", "x"],
        ["token", "issue", "--help"],
        ["events"],
        ["agents"],
        ["providers", "models", "x"],
        ["serve", "--help"],
        ["config", "check", "--help"],
    ],
    ids=" ".join,
)
def test_a_client_command_loads_no_server(arguments: list[str], tmp_path: Path) -> None:
    program = (
        "import json, sys\n"
        "from airboss.cli.main import run\n"
        f"sys.argv = ['airboss', *{arguments!r}]\n"
        "try: run()\n"
        "finally: print('\\n' + json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "AIRBOSS_URL": "http://127.0.0.1:9"},
        capture_output=True,
        text=True,
        check=False,
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert not loaded & HEAVY
    assert not {name for name in loaded if ".".join(name.split(".")[:2]) in OWN_HEAVY}


def test_only_the_named_modules_import_by_name() -> None:
    found = {
        file.relative_to(SOURCE).as_posix()
        for file in SOURCE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Name | ast.Attribute)
        and (getattr(node, "attr", None) or getattr(node, "id", None)) in ("import_module", "__import__")
    }
    assert found == LATE_IMPORTERS
