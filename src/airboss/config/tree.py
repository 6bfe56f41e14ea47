"""The tree of known keys, read off the models: what may stand at a path, and what is expected there."""

import types
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from airboss.config.paths import KeyPath
from airboss.config.settings import AppSettings
from airboss.config.values import Expected

PLACEHOLDER = "NAME"  # stands for the free name of a provider, an agent or an MCP server

_WORDS: dict[object, str] = {bool: "true or false", str: "text", Path: "a path", int: "a whole number"}


@dataclass(frozen=True, slots=True)
class Key:
    """What may stand at one place: the type without its null, and the words for it."""

    form: Any
    expected: Expected | None
    is_nullable: bool

    @property
    def model(self) -> type[BaseModel] | None:
        """The section's model, where this is a section."""
        return self.form if isinstance(self.form, type) and issubclass(self.form, BaseModel) else None

    @property
    def is_mapping(self) -> bool:
        return self.model is not None or get_origin(self.form) is dict

    @property
    def is_list(self) -> bool:
        return get_origin(self.form) is tuple

    @property
    def names(self) -> tuple[str, ...]:
        """The names of a section's keys; empty for what is not a section."""
        return tuple(self.model.model_fields) if self.model else ()

    def child(self, name: str | int) -> "Key | None":
        """Return what stands one level below, or None where nothing can."""
        if self.model is not None:
            field = self.model.model_fields.get(str(name))
            return field and _key(field.annotation, tuple(field.metadata))
        arguments = get_args(self.form)
        if self.is_list:
            return _key(arguments[0]) if isinstance(name, int) else None
        if self.is_mapping:
            return _key(arguments[1])
        return self if self.is_free else None

    @property
    def is_free(self) -> bool:
        """Whether any JSON may stand here."""
        has_form = self.expected or self.is_mapping or self.is_list or self.choices
        return not has_form and self.form not in _WORDS

    @property
    def choices(self) -> tuple[str, ...]:
        if get_origin(self.form) is Literal:
            return get_args(self.form)
        if isinstance(self.form, type) and issubclass(self.form, Enum):
            return tuple(member.value for member in self.form)
        return ()

    @property
    def wording(self) -> str:
        """What a value must be, as it reads after "must be"."""
        return self._wording_without_null() + (" or null" if self.is_nullable else "")

    @property
    def may_print(self) -> bool:
        """Whether a wrong value may be repeated in an error."""
        if self.is_mapping or self.is_free:
            return False
        if self.is_list and (item := self.child(0)):
            return item.may_print
        return self.expected is None or self.expected.printable

    def _wording_without_null(self) -> str:
        if self.expected is not None:
            return self.expected.text
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.is_mapping:
            return "a mapping"
        if self.is_list and (item := self.child(0)):
            return f"a list, each item {item.wording}"
        return _WORDS.get(self.form, "text, a number, true, false, null, a list or a mapping")


def _key(annotation: Any, metadata: tuple[Any, ...] = ()) -> Key:
    is_nullable = False
    while True:
        if get_origin(annotation) is Annotated:
            annotation, *more = get_args(annotation)
            metadata = (*metadata, *more)
        elif get_origin(annotation) in (Union, types.UnionType) and type(None) in get_args(annotation):
            annotation = next(each for each in get_args(annotation) if each is not type(None))
            is_nullable = True
        else:
            expected = next((each for each in metadata if isinstance(each, Expected)), None)
            return Key(annotation, expected, is_nullable)


ROOT = _key(AppSettings)


def key_at(path: tuple[str | int, ...]) -> Key | None:
    """Return what may stand at a path, or None where there is no such setting."""
    key: Key | None = ROOT
    for part in path:
        key = key and key.child(part)
    return key


@cache
def known_paths() -> tuple[KeyPath, ...]:
    """Every setting and section that there is, with PLACEHOLDER for free names."""
    return tuple(_paths_below(ROOT, ()))


def _paths_below(key: Key, prefix: KeyPath) -> Iterator[KeyPath]:
    names = key.names or ((PLACEHOLDER,) if key.is_mapping else ())
    for name in names:
        below = key.child(name)
        if below and not below.is_free:
            yield (*prefix, name)
            yield from _paths_below(below, (*prefix, name))
