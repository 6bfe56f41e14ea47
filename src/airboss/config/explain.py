"""What pydantic found wrong, put into lines for people."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from pydantic_core import ErrorDetails

from airboss.config.environment import variable_of
from airboss.config.findings import Finding
from airboss.config.layers import Layer, origin_of, origin_of_leaf
from airboss.config.masking import without_password
from airboss.config.nearest import known_beside, nearest
from airboss.config.origins import DEFAULT_ORIGIN, LayerName, Origin
from airboss.config.paths import ItemPath, KeyPath, dotted
from airboss.config.problems import Problem
from airboss.config.tree import Key, key_at
from airboss.config.values import NAME_PATTERN
from airboss.domain.nearest_name import nearest_name

_LONGEST_SHOWN = 60
_HOW_VARIABLES_ARE_NAMED = "settings are named AIRBOSS_SECTION__KEY, such as AIRBOSS_SERVER__PORT: unset it, or see 'airboss config schema'"
#: Kinds of errors, as pydantic calls them.
UNKNOWN_KEY, MISSING = "extra_forbidden", "missing"
_KEY_MARK = "[key]"  # pydantic's mark for an error in a mapping's key


def finding_problem(found: Finding, layers_highest_first: Iterable[Layer]) -> Problem:
    """Put what was found where someone set one of the values that it is about."""
    layers = tuple(layers_highest_first)
    origins = (origin_of_leaf(path, layers) for path in (found.path, *found.depends_on))
    set_by = next((origin for origin in origins if origin != DEFAULT_ORIGIN), origin_of(found.path, layers))
    return Problem(found.text, found.path, set_by)


def unknown_variable(variable: str, path: KeyPath) -> Problem:
    """Say that a variable sets nothing, and which one would."""
    meant = nearest(path)
    hint = _HOW_VARIABLES_ARE_NAMED if meant is None else f"did you mean {variable_of(meant)}?"
    return Problem(f"{variable} is not a setting; {hint}", origin=Origin(LayerName.ENVIRONMENT))


def place_of(details: ErrorDetails) -> ItemPath:
    """Return where pydantic found an error."""
    return tuple(part for part in details["loc"] if part != _KEY_MARK)


def problem_of(details: ErrorDetails, layers_highest_first: Iterable[Layer]) -> Problem:
    """Put an error of pydantic into words, with the origin of the value that caused it."""
    place = place_of(details)
    origin = origin_of(place, layers_highest_first)
    if details["type"] == UNKNOWN_KEY:
        return Problem(_unknown_key(tuple(str(part) for part in place)), origin=origin)
    return Problem(_text(details, key_at(place)), place, origin)


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
    if details["type"] == MISSING:
        return f"is missing, must be {key.wording}"
    return f"must be {key.wording}{_got(details['input'], key)}{_nearest_choice(details['input'], key)}"


def _nearest_choice(value: Any, key: Key) -> str:
    near = nearest_name(value, key.choices) if isinstance(value, str) and key.may_print else None
    return "" if near is None else f"; did you mean '{near}'?"


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
