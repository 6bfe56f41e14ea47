"""The layer that environment variables make.

`AIRBOSS_` and the path in capitals, `__` between levels: `AIRBOSS_LIMITS__QUEUE_CAPACITY=100`.
What a variable holds is read by what the setting is:

- a list of texts: JSON (`["a", "b"]`) or separated by commas (`a, b`); empty: no items;
- a section or a mapping: a JSON object, merged into what lower layers set, below more exact variables;
- null, where the setting may be null: `null` or nothing at all;
- all else: as it stands, converted by the setting's own type.

The name of a provider, an agent or an MCP server is read in small letters; one with `-`, which no shell can put
into a variable's name, is reached by `_` where a lower layer defines it. Headers of MCP servers are treated alike,
their environment's names are kept as they stand. Names with `__` in them cannot be reached.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from airboss.config.layers import Layer
from airboss.config.origins import LayerName, Origin
from airboss.config.paths import ItemPath, KeyPath
from airboss.config.problems import Problem
from airboss.config.tree import Key, key_at

PREFIX = "AIRBOSS_"
SEPARATOR = "__"
CONFIG_VARIABLE = "AIRBOSS_CONFIG"
NOT_SETTINGS = frozenset({CONFIG_VARIABLE, "AIRBOSS_URL", "AIRBOSS_TOKEN"})

_UNREADABLE = object()


@dataclass(frozen=True, slots=True)
class EnvironmentReading:
    """What the environment sets, what is wrong with it, and the variables that name no setting."""

    layer: Layer
    problems: list[Problem] = field(default_factory=list)
    unknown: dict[str, KeyPath] = field(default_factory=dict)


def read_environment(environ: Mapping[str, str], below: Mapping[str, Any]) -> EnvironmentReading:
    """Read every AIRBOSS_* variable; `below` is what lower layers set, whose names are recognised."""
    values: dict[str, Any] = {}
    origins: dict[ItemPath, Origin] = {}
    reading = EnvironmentReading(Layer(values, origins))
    for variable in _least_exact_first(environ):
        path = _path(variable, below)
        key = key_at(path)
        if key is None or "" in path:
            reading.unknown[variable] = tuple(part.lower() for part in path)
            continue
        origin = Origin(LayerName.ENVIRONMENT, variable)
        value = _value(environ[variable], key)
        if value is _UNREADABLE:
            reading.problems.append(Problem(f"must be {_json_form(key)}", path, origin))
        else:
            _put(values, origins, path, value, origin)
    return reading


def variable_of(path: KeyPath) -> str:
    """Return the name of the variable that sets a key."""
    return PREFIX + SEPARATOR.join(path).upper().replace("-", "_")


def _least_exact_first(environ: Mapping[str, str]) -> list[str]:
    names = (name for name in environ if name.startswith(PREFIX) and name not in NOT_SETTINGS)
    return sorted(names, key=lambda name: (name.count(SEPARATOR), name))


def _path(variable: str, below: Mapping[str, Any]) -> KeyPath:
    path: KeyPath = ()
    there: Any = below
    for part in variable.removeprefix(PREFIX).split(SEPARATOR):
        name = _name(part, key_at(path), path, there)
        path = (*path, name)
        there = there.get(name) if isinstance(there, Mapping) else None
    return path


def _name(part: str, parent: Key | None, path: KeyPath, there: Any) -> str:
    if parent is not None and parent.model is not None:
        # Only capitals are read: two spellings of one variable would leave it open which one counts.
        return part.lower() if part.isupper() else part.upper()
    known = [str(name) for name in there] if isinstance(there, Mapping) else []
    same = [name for name in known if _folded(name) == _folded(part)]
    if same:
        return min(same, key=lambda name: name.lower() != part.lower())
    return part if path[-1:] == ("env",) else part.lower()


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")


def _value(raw: str, key: Key) -> Any:
    if key.is_nullable and raw in {"", "null"}:
        return None
    if key.is_mapping:
        return _json(raw, dict)
    if key.is_list:
        return _json(raw, list) if raw.lstrip().startswith("[") else _separated(raw)
    if key.is_free and raw.startswith(("{", "[")):
        return _json(raw, (dict, list))
    return raw


def _json(raw: str, wanted: type | tuple[type, ...]) -> Any:
    try:
        value = json.loads(raw)
    except ValueError:
        return _UNREADABLE
    return value if isinstance(value, wanted) else _UNREADABLE


def _separated(raw: str) -> list[str]:
    return [item.strip() for item in raw.split(",")] if raw.strip() else []


def _json_form(key: Key) -> str:
    if key.is_list:
        return 'a JSON list such as ["a", "b"], or texts separated by commas'
    return "a JSON object" if key.is_mapping else "valid JSON, as it starts with { or ["


def _put(
    values: dict[str, Any], origins: dict[ItemPath, Origin], path: KeyPath, value: Any, origin: Origin
) -> None:
    for at, name in enumerate(path[:-1], start=1):
        origins.setdefault(path[:at], origin)
        if not isinstance(values.get(name), dict):
            values[name] = {}
        values = values[name]
    values[path[-1]] = value
    origins.update({(*path, *below): origin for below in _paths_in(value)})


def _paths_in(value: Any) -> Iterator[ItemPath]:
    yield ()
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from ((name, *below) for below in _paths_in(inner))
