"""The whole tree of settings, under the names and with the defaults that the contract gives."""

from typing import Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from airboss.config.consistency import inconsistencies
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
            text = "; ".join(f"{'.'.join(each.path)}: {each.text}" for each in found)
            raise PydanticCustomError(INCONSISTENT, "{text}", {"text": text, "found": found})
        return self
