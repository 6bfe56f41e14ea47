"""Public keys, from PEM files and key sets; imported by name where they are used: PyJWT and cryptography are big."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import get_default_algorithms

from airboss.security.tokens.keys import KeyRefusedError, VerifyKey

MIN_RSA_BITS = 2048
#: A check costs more with every bit, and whoever calls makes us do it.
MAX_RSA_BITS = 8192
_MAX_KEYS = 100
_MAX_KEY_ID_CHARACTERS = 256
_KEY_TYPES = {"RS256": "RSA", "ES256": "EC", "EdDSA": "OKP"}
#: Nothing private is read of a key, even where an issuer publishes it by mistake.
_PUBLIC_MEMBERS = ("kty", "n", "e", "crv", "x", "y")
_LONGEST_MEMBER = 2 * MAX_RSA_BITS // 8


_ALGORITHMS = get_default_algorithms()


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One key for one algorithm, whatever a token says of itself; equal where the keys are."""

    key: Any
    algorithm: str

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        return bool(_ALGORITHMS[self.algorithm].verify(signed, self.key, signature))


def read_public_key(pem: bytes, algorithm: str) -> VerifyKey:
    """Read a PEM file's content; raises `KeyRefusedError`."""
    if b"PRIVATE KEY" in pem:
        raise KeyRefusedError("it holds a private key; a server needs the public one and nothing else")
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise KeyRefusedError("it is no PEM file with a public key (-----BEGIN PUBLIC KEY-----)") from None
    return require_strength(key, algorithm)


def read_key_set(document: Any, algorithm: str) -> Mapping[str | None, VerifyKey]:
    """Return the usable keys of a JWK Set (RFC 7517) by their ids; one without an id stands under None.

    Keys for something else are passed over. Raises `KeyRefusedError` where none is left.
    """
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise KeyRefusedError("it is no JWK Set: an object with a list of keys")
    keys: dict[str | None, VerifyKey] = {}
    for entry in entries[:_MAX_KEYS]:
        if isinstance(entry, dict) and _is_for_us(entry, algorithm):
            key = _read(entry, algorithm)
            if key is not None:
                keys.setdefault(entry.get("kid"), key)
    if not keys:
        raise KeyRefusedError(f"it holds no key for signatures with {algorithm} that is strong enough")
    return keys


def _is_for_us(entry: Mapping[str, Any], algorithm: str) -> bool:
    key_id, operations = entry.get("kid"), entry.get("key_ops", ["verify"])
    return (
        entry.get("kty") == _KEY_TYPES[algorithm]
        and entry.get("use", "sig") == "sig"
        and entry.get("alg", algorithm) == algorithm
        and (isinstance(operations, list) and "verify" in operations)
        and (key_id is None or (isinstance(key_id, str) and len(key_id) <= _MAX_KEY_ID_CHARACTERS))
    )


def _read(entry: Mapping[str, Any], algorithm: str) -> VerifyKey | None:
    public = {name: entry[name] for name in _PUBLIC_MEMBERS if name in entry}
    if not all(isinstance(value, str) and len(value) <= _LONGEST_MEMBER for value in public.values()):
        return None
    try:
        return require_strength(jwt.PyJWK(public, algorithm).key, algorithm)
    except (jwt.PyJWTError, KeyRefusedError, ValueError, UnsupportedAlgorithm):
        return None


def require_strength(key: Any, algorithm: str) -> PublicKey:
    """Return a key that is fit for the algorithm; raises `KeyRefusedError`."""
    match algorithm, key:
        case "RS256", RSAPublicKey():
            if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
                raise KeyRefusedError(
                    f"RS256 needs a key of {MIN_RSA_BITS} to {MAX_RSA_BITS} bits, this one has {key.key_size}"
                )
        case "ES256", EllipticCurvePublicKey():
            if not isinstance(key.curve, SECP256R1):
                raise KeyRefusedError(
                    f"ES256 needs a key on the curve P-256, this one is on {key.curve.name}"
                )
        case "EdDSA", Ed25519PublicKey():
            pass
        case _:
            raise KeyRefusedError(f"{algorithm} needs another kind of key than {type(key).__name__}")
    return PublicKey(key, algorithm)
