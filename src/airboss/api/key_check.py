"""Whether tokens can be verified: a node whose issuer was never reached can let nobody in."""

from typing import Protocol

from airboss.api.checks import Check


class TokenKeys(Protocol):
    @property
    def is_usable(self) -> bool: ...
    @property
    def detail(self) -> str: ...


class KeyCheck:
    """Fails until there are keys; an issuer that goes away later changes nothing, since its keys are kept."""

    name = "token_keys"

    def __init__(self, keys: TokenKeys) -> None:
        self._keys = keys

    async def check(self) -> Check:
        return Check(self._keys.is_usable, self._keys.detail)
