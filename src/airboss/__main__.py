"""`python -m airboss`."""

from airboss.cli.main import run

run()
