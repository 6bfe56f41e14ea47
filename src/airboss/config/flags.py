"""The layer that command line flags make."""

from collections.abc import Mapping
from typing import Any

from airboss.config.layers import Layer
from airboss.config.origins import LayerName, Origin
from airboss.config.paths import ItemPath


def read_flags(flags: Mapping[str, object]) -> Layer:
    """Turn dotted keys into a layer; a flag that is None was not given.

    A flag bears the last name of its key: `server.data_dir` is set by `--data-dir`.
    """
    values: dict[str, Any] = {}
    origins: dict[ItemPath, Origin] = {}
    for key, value in flags.items():
        if value is not None:
            _put(values, origins, tuple(key.split(".")), value)
    return Layer(values, origins)


def _put(
    values: dict[str, Any], origins: dict[ItemPath, Origin], path: tuple[str, ...], value: object
) -> None:
    origin = Origin(LayerName.FLAG, "--" + path[-1].replace("_", "-"))
    for at, name in enumerate(path[:-1], start=1):
        origins.setdefault(path[:at], origin)
        values = values.setdefault(name, {})
    values[path[-1]] = value
    origins[path] = origin
