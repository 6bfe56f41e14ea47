"""Modules that a command loads when it runs: the only place of the command line that imports by name.

A client command needs neither FastAPI nor the settings' models, which take longer to import than its request
takes. What needs them stands in the modules named here, behind commands that are cheap to import. As with the
agent loop (`runtime/lazy_loop.py`), a test holds that this is the only such place.
"""

import importlib
from enum import StrEnum
from typing import Any


class Late(StrEnum):
    """A module that is loaded late, and what makes it slow."""

    #: The settings' models.
    SETTINGS = "airboss.cli.settings"
    #: The whole server.
    SERVING = "airboss.cli.serving"
    #: The settings' models, PyJWT and cryptography.
    ISSUING = "airboss.cli.token_issuing"


def load_late(module: Late) -> Any:
    return importlib.import_module(module)
