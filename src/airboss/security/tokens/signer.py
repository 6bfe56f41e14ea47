"""Signing tokens, for `airboss token issue`; imported where one is signed, like `public_keys`."""

from collections.abc import Iterable
from pathlib import Path

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from airboss.domain.policies import JwtPolicy
from airboss.domain.principals import Role
from airboss.security.tokens.claims import SUBJECT_FORM, TENANT_FORM, is_subject, is_tenant
from airboss.security.tokens.keys import HmacKey, KeyRefusedError
from airboss.security.tokens.public_keys import read_public_key, require_strength


class TokenRefusedError(ValueError):
    """A token that no server would take; the text says why."""


class TokenSigner:
    """Signs for the issuer and the audience of the settings."""

    def __init__(self, policy: JwtPolicy, key: object) -> None:
        self._policy = policy
        self._key = key

    def sign(
        self, *, subject: str, roles: Iterable[Role], tenant: str, ttl_seconds: int, now_seconds: int
    ) -> str:
        """Return a token; raises `TokenRefusedError`."""
        if not is_subject(subject):
            raise TokenRefusedError(f"the subject must be {SUBJECT_FORM}")
        if not is_tenant(tenant):
            raise TokenRefusedError(f"the tenant must be {TENANT_FORM}")
        claims = {
            "iss": self._policy.issuer,
            "aud": self._policy.audience,
            "sub": subject,
            "iat": now_seconds,
            "exp": now_seconds + ttl_seconds,
            "roles": [role.value for role in roles],
            "tenant": tenant,
        }
        return jwt.encode(claims, self._key, algorithm=self._policy.algorithm)  # type: ignore[arg-type]


def secret_signer(policy: JwtPolicy, secret: str) -> TokenSigner:
    """Sign with the secret that the server verifies with; raises `KeyRefusedError`."""
    HmacKey(secret.encode())
    return TokenSigner(policy, secret.encode())


def private_key_signer(policy: JwtPolicy, path: Path) -> TokenSigner:
    """Sign with a private key in a PEM file; raises `KeyRefusedError` or OSError."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except TypeError:
        raise KeyRefusedError("it is encrypted: store it without a password, for its owner only") from None
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefusedError("it is no PEM file with a private key") from None
    public = require_strength(key.public_key(), policy.algorithm)
    other = policy.public_key_path
    if other is not None and read_public_key(other.read_bytes(), policy.algorithm) != public:
        raise KeyRefusedError("it is not the other half of auth.jwt.public_key_path")
    return TokenSigner(policy, key)
