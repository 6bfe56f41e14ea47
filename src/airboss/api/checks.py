"""One answer among those that make a node ready."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Check:
    ok: bool
    detail: str


class Probe(Protocol):
    """Something that the settings made a condition of readiness."""

    @property
    def name(self) -> str: ...
    async def check(self) -> Check: ...
