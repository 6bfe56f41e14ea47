"""One layer of the merge: the values it sets, and where it sets each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airboss.config.origins import DEFAULT_ORIGIN, Origin
from airboss.config.paths import ItemPath, KeyPath


@dataclass(frozen=True, slots=True)
class Layer:
    """A nested mapping of values, and the origin of every key and list item in it."""

    values: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[ItemPath, Origin] = field(default_factory=dict)

    def without(self, paths: Iterable[KeyPath]) -> "Layer":
        """Return the layer with these keys left out."""
        dropped = set(paths)
        return Layer(_pruned(self.values, (), dropped), self.origins)


def key_part(path: ItemPath) -> ItemPath:
    """Leave list positions out: a list is replaced as a whole, so it belongs to one layer."""
    index = next((at for at, part in enumerate(path) if isinstance(part, int)), len(path))
    return path[:index]


def origin_of(path: ItemPath, layers_highest_first: Iterable[Layer]) -> Origin:
    """Find which layer decides a key; of a key that none sets, the section around it."""
    layers = tuple(layers_highest_first)
    key = key_part(path)
    while key:
        for layer in layers:
            if key in layer.origins:
                return layer.origins.get(path, layer.origins[key])
        key = key[:-1]
    return DEFAULT_ORIGIN


def origin_of_leaf(path: ItemPath, layers_highest_first: Iterable[Layer]) -> Origin:
    """Find which layer sets exactly this key, or the list of this item; DEFAULT_ORIGIN where none does."""
    key = key_part(path)
    setting = (layer.origins for layer in layers_highest_first if key in layer.origins)
    return next((origins.get(path, origins[key]) for origins in setting), DEFAULT_ORIGIN)


def _pruned(values: Mapping[str, Any], prefix: KeyPath, dropped: set[KeyPath]) -> dict[str, Any]:
    return {
        key: _pruned(value, (*prefix, key), dropped) if isinstance(value, dict) else value
        for key, value in values.items()
        if (*prefix, key) not in dropped
    }
