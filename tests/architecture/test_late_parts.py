"""What the settings may ask for costs nothing until they do."""

import subprocess
import sys


def test_a_server_that_counts_nobody_has_not_loaded_what_counts() -> None:
    program = (
        "import sys, airboss.cli.serving; "
        "loaded = {'slowapi', 'limits', 'redis', 'airboss.app.tls'} & set(sys.modules); "
        "assert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
