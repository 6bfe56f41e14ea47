"""Where a setting's value comes from."""

from dataclasses import dataclass
from enum import StrEnum


class LayerName(StrEnum):
    """The layers of the merge, lowest first."""

    DEFAULT = "default"
    FILE = "file"
    ENVIRONMENT = "environment"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Origin:
    """A layer and the place in it: NAME:LINE of a file, a variable's name, a flag's name."""

    layer: LayerName
    place: str = ""
    line: int = 0

    @property
    def label(self) -> str:
        """The place as an error names it: `airboss.yaml:12`, `AIRBOSS_SERVER__PORT`, `--port`."""
        return f"{self.place}:{self.line}" if self.line else self.place

    def __str__(self) -> str:
        return f"{self.layer.value} {self.label}".strip()


DEFAULT_ORIGIN = Origin(LayerName.DEFAULT)
