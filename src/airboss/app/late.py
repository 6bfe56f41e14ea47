"""Parts of the server that are loaded when the settings ask for them: the only place of `app` that imports by name.

As with the agent loop (`runtime/lazy_loop.py`): what most servers do not use should not cost them their start.
"""

import importlib
from enum import StrEnum
from typing import Any


class Late(StrEnum):
    """A module that is loaded late, and what it costs."""

    #: slowapi: 20 ms and 1 MB.
    NODE_RATES = "airboss.api.rates.node_rates"
    #: A client of Redis: 50 ms and 6 MB.
    SHARED_RATES = "airboss.api.rates.redis_rates"
    #: What reads certificates: 60 ms and 8 MB.
    TLS = "airboss.app.tls"


def load_late(module: Late) -> Any:
    return importlib.import_module(module)
