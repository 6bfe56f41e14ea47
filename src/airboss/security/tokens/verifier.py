"""Whether a token is good, and for whom: asked with every request, answered from memory where it was before."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from airboss.domain.policies import JwtPolicy
from airboss.domain.principals import Principal
from airboss.ports.clock import Clock
from airboss.security.tokens.claims import expired, principal_of_claims
from airboss.security.tokens.compact import MAX_TOKEN_CHARACTERS, CompactToken, json_object
from airboss.security.tokens.keys import KeySource
from airboss.security.tokens.refusals import refused

#: Some 400 bytes each.
REMEMBERED_TOKENS = 4096
#: A logout token or the like, signed by the same issuer, opens nothing (RFC 8725, 3.11).
_TYPES = frozenset({"jwt", "application/jwt", "at+jwt", "application/at+jwt"})


class TokenVerifier:
    """Keeps what it verified by the token's digest until the token expires or the keys change."""

    def __init__(self, policy: JwtPolicy, keys: KeySource, clock: Clock) -> None:
        self.keys = keys
        self._policy = policy
        self._clock = clock
        self._known: OrderedDict[bytes, Principal] = OrderedDict()
        self._generation = keys.generation

    async def verify(self, token: str) -> Principal:
        """Return the token's caller; raises `unauthenticated`, `token_expired` or `forbidden`."""
        if len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
            raise refused("it is no signed JWT of three parts")
        digest = hashlib.sha256(token.encode("ascii")).digest()
        known = self._recall(digest)
        if known is not None:
            return known
        parsed = CompactToken.parse(token)
        await self._require_signature(parsed)
        # From here on nothing is awaited: the keys are still those that it was verified with.
        principal = self._principal(parsed)
        self._remember(digest, principal)
        return principal

    def _recall(self, digest: bytes) -> Principal | None:
        if self._generation != self.keys.generation:
            self._generation = self.keys.generation
            self._known.clear()
        principal = self._known.get(digest)
        if principal is None:
            return None
        seconds_left = principal.seconds_left(self._clock.now_ms())
        if seconds_left is not None and seconds_left <= 0:
            del self._known[digest]
            raise expired()
        self._known.move_to_end(digest)
        return principal

    def _remember(self, digest: bytes, principal: Principal) -> None:
        self._known[digest] = principal
        if len(self._known) > REMEMBERED_TOKENS:
            self._known.popitem(last=False)

    def _principal(self, token: CompactToken) -> Principal:
        return principal_of_claims(
            json_object(token.payload, "payload"),
            issuer=self._policy.issuer,
            audience=self._policy.audience,
            now_ms=self._clock.now_ms(),
        )

    async def _require_signature(self, token: CompactToken) -> None:
        key_id = _key_id(token.header, self._policy.algorithm)
        key = await self.keys.find(key_id)
        if key is None:
            raise refused("it is signed with a key that is not known here (kid)")
        if key.verifies(token.signed, token.signature):
            return
        newer = await self.keys.find_newer(key_id, key)
        if newer is None or not newer.verifies(token.signed, token.signature):
            raise refused("its signature is not right")


def _key_id(header: Mapping[str, Any], algorithm: str) -> str | None:
    """Return which key a token names; raises `unauthenticated` for a header that is none of ours.

    Nothing else in a header is looked at: keys and addresses that a token brings along (jwk, jku, x5u, x5c)
    are whoever wrote it.
    """
    if header.get("alg") != algorithm:
        raise refused(f"tokens are signed with {algorithm} here (alg)")
    if "crit" in header or "b64" in header:
        raise refused("it asks for extensions that are not known here (crit, b64)")
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise refused("it is a token for something else (typ)")
    key_id = header.get("kid")
    if key_id is not None and not isinstance(key_id, str):
        raise refused("the id of its key is no text (kid)")
    return key_id
