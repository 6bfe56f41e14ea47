"""The merged settings for people and for machines, with secrets masked and the origin of each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from airboss.config.masking import masked
from airboss.config.origins import Origin
from airboss.config.paths import KeyPath, dotted
from airboss.config.reading import LoadedSettings
from airboss.config.settings import leaves

_INDENT = "  "
_COMMENT_COLUMN = 48


@dataclass(frozen=True, slots=True)
class ShownSetting:
    """One setting as it may be shown: its path, its JSON value with secrets masked, and its origin."""

    path: KeyPath
    value: Any
    origin: Origin

    @property
    def key(self) -> str:
        return dotted(self.path)


def shown(loaded: LoadedSettings) -> list[ShownSetting]:
    """List every merged setting in the order of the contract."""
    return [
        ShownSetting(path, _plain(masked(path, value)), loaded.origins[dotted(path)])
        for path, value in leaves(loaded.settings)
    ]


def render_yaml(settings: Iterable[ShownSetting]) -> str:
    """Write the settings as YAML, each with its origin as a comment."""
    return "\n".join(_lines(settings)) + "\n"


def render_json(settings: Iterable[ShownSetting]) -> dict[str, Any]:
    """Return `{KEY: {"value": …, "origin": {"layer", "place"}}}` with dotted keys, ready for JSON."""
    return {each.key: {"value": each.value, "origin": _origin_json(each.origin)} for each in settings}


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _origin_json(origin: Origin) -> dict[str, Any]:
    return {"layer": origin.layer.value, "place": origin.label or None}


def _lines(settings: Iterable[ShownSetting]) -> Iterator[str]:
    above: KeyPath = ()
    for each in settings:
        section = each.path[:-1]
        for depth in range(_shared_depth(above, section), len(section)):
            yield f"{_INDENT * depth}{_scalar(section[depth])}:"
        line = f"{_INDENT * len(section)}{_scalar(each.path[-1])}: {_scalar(each.value)}"
        yield f"{line:<{_COMMENT_COLUMN}}  # {each.origin}"
        above = section


def _shared_depth(left: KeyPath, right: KeyPath) -> int:
    pairs = zip(left, right, strict=False)
    return next(
        (depth for depth, (one, other) in enumerate(pairs) if one != other), min(len(left), len(right))
    )


def _scalar(value: Any) -> str:
    # A line break would put the comment in the wrong place, and only double quotes can hide one.
    style = '"' if isinstance(value, str) and not value.isprintable() else None
    text: str = yaml.safe_dump(
        value, default_flow_style=True, default_style=style, width=10**9, allow_unicode=True
    )
    return text.removesuffix("\n").removesuffix("\n...")
