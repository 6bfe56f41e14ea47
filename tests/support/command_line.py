"""Running `airboss` as a user does."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

COMMAND_SECONDS = 60.0


def airboss(
    folder: Path,
    *arguments: str,
    environ: Mapping[str, str] | None = None,
    stdin: str = "",
    user: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end with `folder` as the working directory."""
    return subprocess.run(
        [sys.executable, "-m", "airboss", *arguments],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "PYTHONWARNINGS": "error", **(environ or {})},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        user=user,
        check=False,
    )


def json_lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]
