"""From a request to its caller."""

import re
from typing import Protocol

from starlette.datastructures import Headers

from airboss.domain.errors import AirbossError
from airboss.domain.principals import LOCAL_ADMIN, Principal, Role

#: RFC 6750, 2.1, with the scheme in any case and any number of spaces (RFC 9110, 11.4).
_BEARER = re.compile(r"bearer +([A-Za-z0-9._~+/-]+=*)", re.ASCII | re.IGNORECASE)


class Authenticator(Protocol):
    async def authenticate(self, headers: Headers) -> Principal:
        """Return the caller; raises `unauthenticated`, `token_expired` or `forbidden`."""
        ...


class Verifier(Protocol):
    async def verify(self, token: str) -> Principal: ...


class AuthOff:
    """Everyone who reaches a loopback address is the local admin."""

    async def authenticate(self, headers: Headers) -> Principal:  # noqa: ARG002
        return LOCAL_ADMIN


class BearerAuth:
    """Callers show a token in the header, where no log, history or referrer keeps it."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    async def authenticate(self, headers: Headers) -> Principal:
        given = headers.getlist("authorization")
        if not given:
            raise AirbossError("unauthenticated", "this needs a token: Authorization: Bearer TOKEN")
        # White space around a value is none of it (RFC 9110, 5.5); the parser takes off what stands in front.
        found = _BEARER.fullmatch(given[0].strip(" \t"))
        if len(given) > 1 or found is None:
            raise AirbossError("unauthenticated", "send one header: Authorization: Bearer TOKEN")
        return await self._verifier.verify(found[1])


def require(principal: Principal, role: Role) -> None:
    if not principal.role.includes(role):
        raise AirbossError("forbidden", f"this needs the role '{role.value}'")
