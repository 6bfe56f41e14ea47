"""What pydantic found wrong, put into lines for people."""

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from airboss.config.consistency import Inconsistency
from airboss.config.environment import variable_of
from airboss.config.layers import ItemPath, Layer, key_part, origin_of, origin_of_leaf
from airboss.config.masking import without_password
from airboss.config.nearest import known_beside, nearest
from airboss.config.origins import DEFAULT_ORIGIN, LayerName, Origin
from airboss.config.paths import KeyPath, dotted
from airboss.config.problems import Problem
from airboss.config.settings import INCONSISTENT
from airboss.config.tree import Key, key_at
from airboss.config.values import NAME_PATTERN

_LONGEST_SHOWN = 60
_HOW_VARIABLES_ARE_NAMED = "settings are named AIRBOSS_SECTION__KEY, such as AIRBOSS_SERVER__PORT: unset it, or see 'airboss config schema'"
_UNDECIDED_DEFAULT = "default_factory_not_called"  # follows from another error: no key without a kind
_KEY_MARK = "[key]"  # pydantic's mark for an error in a mapping's key


def problems_of(error: ValidationError, layers_highest_first: Iterable[Layer]) -> Iterator[Problem]:
    """Yield a problem for each error, with the origin of the value that caused it."""
    layers = tuple(layers_highest_first)
    for details in error.errors(include_url=False):
        if details["type"] == _UNDECIDED_DEFAULT:
            continue
        if details["type"] == INCONSISTENT:
            for found in broken_rules(details):
                yield broken_rule_problem(found, layers)
        else:
            yield _problem(details, layers)


def broken_rules(details: ErrorDetails) -> tuple[Inconsistency, ...]:
    """Return the broken rules that an error carries; none for an error of another type."""
    found: tuple[Inconsistency, ...] = details.get("ctx", {}).get("found", ())
    return found


def broken_rule_problem(found: Inconsistency, layers_highest_first: Iterable[Layer]) -> Problem:
    """Put a broken rule where someone set one of the values that it is about."""
    layers = tuple(layers_highest_first)
    origins = (origin_of_leaf(path, layers) for path in (found.path, *found.depends_on))
    set_by = next((origin for origin in origins if origin != DEFAULT_ORIGIN), origin_of(found.path, layers))
    return Problem(found.text, dotted(found.path), set_by)


def unknown_variable(variable: str, path: KeyPath) -> Problem:
    """Say that a variable sets nothing, and which one would."""
    meant = nearest(path)
    hint = _HOW_VARIABLES_ARE_NAMED if meant is None else f"did you mean {variable_of(meant)}?"
    return Problem(f"{variable} is not a setting; {hint}", origin=Origin(LayerName.ENVIRONMENT))


def invalid_paths(error: ValidationError) -> set[KeyPath]:
    """Return what to leave out for the rest to be valid: a list as a whole, and a section that lacks something."""
    return {_invalid_path(details) for details in error.errors(include_url=False)} - {()}


def _problem(details: ErrorDetails, layers: tuple[Layer, ...]) -> Problem:
    location = tuple(part for part in details["loc"] if part != _KEY_MARK)
    path = tuple(str(part) for part in location)
    origin = origin_of(location, layers)
    if details["type"] == "extra_forbidden":
        return Problem(_unknown_key(path), origin=origin)
    return Problem(_text(details, key_at(location)), _dotted(location), origin)


def _unknown_key(path: KeyPath) -> str:
    meant = nearest(path)
    if meant is None:
        section, names = known_beside(path)
        where = f"in {dotted(section)} there are" if section else "the sections are"
        return f"{dotted(path)} is not a setting; {where} {', '.join(names)}"
    if dotted(meant) == dotted(path):
        return f"{dotted(path)} is not one key; nest it, as in `{meant[0]}: {{{dotted(meant[1:])}: …}}`"
    return f"{dotted(path)} is not a setting; did you mean {dotted(meant)}?"


def _text(details: ErrorDetails, key: Key | None) -> str:
    if details["loc"][-1:] == (_KEY_MARK,):
        return f"a name must match {NAME_PATTERN.strip('^$')}"
    if key is None:
        return details["msg"]
    if details["type"] == "missing":
        return f"is missing, must be {key.wording}"
    return f"must be {key.wording}{_got(details['input'], key)}"


def _got(value: Any, key: Key) -> str:
    if key.may_print and (shown := _shown(value)):
        return f", got {shown}"
    return f", got {_type_name(value)}" if key.is_mapping else ""


def _shown(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        text = without_password(value)
        return repr(text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…")
    if isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        return f"[{', '.join(value)}]"
    return str(value) if isinstance(value, (int, float)) else _type_name(value)


def _type_name(value: Any) -> str:
    names = {
        str: "text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        list: "a list",
        dict: "a mapping",
        dt.date: "a date",
        dt.datetime: "a date",
    }
    return names.get(type(value), "null" if value is None else f"a {type(value).__name__}")


def _invalid_path(details: ErrorDetails) -> KeyPath:
    path = tuple(str(part) for part in key_part(details["loc"]) if part != _KEY_MARK)
    return path[:-1] if details["type"] == "missing" else path


def _dotted(location: ItemPath) -> str:
    """Write a list item as people do: `server.cors_origins[1]`."""
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")
