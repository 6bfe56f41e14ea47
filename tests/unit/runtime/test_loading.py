"""What a server loads before it is asked for anything."""

import subprocess
import sys


def test_a_server_that_waits_has_no_sdk_and_no_validator() -> None:
    """They take seconds and the better part of the memory that an idle server may have."""
    program = (
        "import sys, airboss.app.create, airboss.app.server; "
        "late = {'agents', 'openai', 'mcp', 'mcp_types', 'jsonschema', 'referencing'}; "
        "assert not late & set(sys.modules), late & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
