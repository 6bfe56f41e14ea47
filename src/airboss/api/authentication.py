"""From a request to its caller."""

from typing import Protocol

from starlette.datastructures import Headers

from airboss.domain.errors import AirbossError
from airboss.domain.principals import LOCAL_ADMIN, Principal, Role


class Authenticator(Protocol):
    async def authenticate(self, headers: Headers) -> Principal:
        """Return the caller; raises `unauthenticated`, `token_expired` or `forbidden`."""
        ...


class AuthOff:
    """Everyone who reaches a loopback address is the local admin."""

    async def authenticate(self, headers: Headers) -> Principal:  # noqa: ARG002
        return LOCAL_ADMIN


def require(principal: Principal, role: Role) -> None:
    if not principal.role.includes(role):
        raise AirbossError("forbidden", f"this needs the role '{role.value}'")
