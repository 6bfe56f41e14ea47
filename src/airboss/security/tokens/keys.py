"""What a signature is checked with, and where it comes from."""

import hmac
from typing import Protocol

MIN_SECRET_BYTES = 32
_ASYMMETRIC_MARKS = (b"-----BEGIN", b"ssh-rsa", b"ssh-ed25519", b"ecdsa-sha2-")


class KeyRefusedError(ValueError):
    """A key is too weak or of the wrong kind; the text says which, and never a part of it."""


class VerifyKey(Protocol):
    def verifies(self, signed: bytes, signature: bytes) -> bool:
        """Tell whether the signature was made over these bytes with this key's other half."""
        ...


class KeySource(Protocol):
    """Keys by their ids. What was verified before `generation` changed has to be verified again."""

    @property
    def generation(self) -> int: ...
    @property
    def detail(self) -> str:
        """How it stands with the keys, for operators."""
        ...

    @property
    def is_usable(self) -> bool:
        """Whether any token can be verified now."""
        ...

    async def find(self, key_id: str | None) -> VerifyKey | None:
        """Return the key that a token names; None where there is no such key."""
        ...

    async def find_newer(self, key_id: str | None, failed: VerifyKey) -> VerifyKey | None:
        """Return the key that has taken the place of one that did not fit; None where it is still the same."""
        ...

    async def keep(self) -> None:
        """Keep the keys fresh, for as long as the server serves."""
        ...

    async def close(self) -> None: ...


class HmacKey:
    """The key of HS256 (RFC 7518, 3.2).

    Of the standard library: the one for all algorithms takes 9 MB and 0.1 s of a start, which is the
    better part of what an idle server may use beyond its own.
    """

    def __init__(self, secret: bytes) -> None:
        """Take a secret; raises `KeyRefusedError`."""
        if len(secret) < MIN_SECRET_BYTES:
            raise KeyRefusedError(
                f"HS256 needs a secret of {MIN_SECRET_BYTES} bytes or more, this one has {len(secret)};"
                " make one with: openssl rand -hex 32"
            )
        if secret.lstrip().startswith(_ASYMMETRIC_MARKS):
            raise KeyRefusedError(
                "this is a key of another family, which may be public: HS256 needs a secret"
            )
        self._secret = secret

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(self._secret, signed, "sha256"), signature)


class OneKey:
    """A source of the one key that the settings name; a token may call it by any id."""

    generation = 0
    is_usable = True
    detail = "the key of the settings"

    def __init__(self, key: VerifyKey) -> None:
        self._key = key

    async def find(self, key_id: str | None) -> VerifyKey | None:  # noqa: ARG002
        return self._key

    async def find_newer(self, key_id: str | None, failed: VerifyKey) -> VerifyKey | None:  # noqa: ARG002
        return None

    async def keep(self) -> None:
        """There is nothing to fetch."""

    async def close(self) -> None:
        """Nothing is open."""
