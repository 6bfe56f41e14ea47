"""What a check finds wrong with settings that are each valid by themselves."""

from collections.abc import Iterable
from dataclasses import dataclass

from airboss.config.paths import ItemPath, dotted


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake: where to say so, what to do about it, and which other keys it depends on."""

    path: ItemPath
    text: str
    depends_on: tuple[ItemPath, ...] = ()

    def __str__(self) -> str:
        return f"{dotted(self.path)}: {self.text}"


class RefusedSettingsError(Exception):
    """Settings that a part cannot work with, with everything that it found wrong."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(map(str, findings)))
        self.findings = findings


def refuse(findings: Iterable[Finding]) -> None:
    """Raise `RefusedSettingsError` where anything was found."""
    if found := tuple(findings):
        raise RefusedSettingsError(*found)
