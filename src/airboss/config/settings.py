"""The whole tree of settings, under the names and with the defaults that the contract gives."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from airboss.config.consistency import inconsistencies
from airboss.config.paths import KeyPath
from airboss.config.sections import Sections

INCONSISTENT = "inconsistent"


class AppSettings(Sections):
    """Settings of one Airboss server.

    Built with no arguments it holds the defaults; it reads neither files nor the environment by itself.
    Raises pydantic's ValidationError, whose text does not repeat the input.
    """

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        found = tuple(inconsistencies(self))
        if found:
            raise PydanticCustomError(INCONSISTENT, "{text}", {"text": "; ".join(map(str, found))})
        return self


def leaves(settings: Sections) -> Iterator[tuple[KeyPath, Any]]:
    """Yield every setting with its JSON value; an empty mapping counts as one."""
    yield from _leaves(settings.model_dump(mode="json"), ())


def _leaves(values: Mapping[str, Any], prefix: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    for name, value in values.items():
        path = (*prefix, name)
        if isinstance(value, dict) and value:
            yield from _leaves(value, path)
        else:
            yield path, value
