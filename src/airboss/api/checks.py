"""One answer among those that make a node ready."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    ok: bool
    detail: str
