"""Who calls, and what the caller may do."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """Each role includes the ones before it."""

    READ = "read"
    RUN = "run"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        return _RANKS[self] >= _RANKS[other]


_RANKS = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: its subject, its tenant, the strongest of its roles, and until when that holds.

    `expires_at_ms` None is for ever.
    """

    subject: str
    tenant: str
    role: Role
    expires_at_ms: int | None = None

    @property
    def scope(self) -> str | None:
        """The tenant whose data the caller sees; None for all of them."""
        return None if self.role is Role.ADMIN else self.tenant

    def seconds_left(self, now_ms: int) -> float | None:
        """Return how long the caller stays who it is; None for ever."""
        return None if self.expires_at_ms is None else (self.expires_at_ms - now_ms) / 1000


LOCAL_ADMIN = Principal(subject="local", tenant="default", role=Role.ADMIN)
