"""Tokens, good and bad: signed by PyJWT's algorithms, so that what checks them is not checked by itself."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import get_default_algorithms

FAMILIES = ("HS256", "RS256", "ES256", "EdDSA")
SECRET = "a secret of tests, longer than 32 bytes"
ISSUER = AUDIENCE = "airboss"
HOUR_SECONDS = 3600


class _Missing:
    """Shown alike in every process: names of tests must not differ."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()


def private_key(algorithm: str, number: int = 0) -> Any:
    """Return the private key of a family; another `number` is somebody else's."""
    return _private_key(algorithm, number)


@cache
def _private_key(algorithm: str, number: int) -> Any:
    if algorithm.startswith("HS"):
        return SECRET.encode() if number == 0 else f"{SECRET} of somebody else {number}".encode()
    if algorithm.startswith(("RS", "PS")):
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP256R1()) if algorithm == "ES256" else _ed25519()


def _ed25519() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def public_pem(algorithm: str, number: int = 0) -> bytes:
    key = private_key(algorithm, number).public_key()
    pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


def private_pem(algorithm: str, number: int = 0) -> bytes:
    key = private_key(algorithm, number)
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem


def public_jwk(algorithm: str, number: int = 0, **members: Any) -> dict[str, Any]:
    key = private_key(algorithm, number).public_key()
    jwk: dict[str, Any] = get_default_algorithms()[algorithm].to_jwk(key, as_dict=True)
    return {**jwk, "kid": f"key-{number}", "use": "sig", "alg": algorithm, **members}


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def as_json(part: Any) -> bytes:
    """Write a part; text and bytes stand for themselves."""
    if isinstance(part, bytes):
        return part
    return part.encode() if isinstance(part, str) else json.dumps(part).encode()


@dataclass(frozen=True)
class Forge:
    """Writes tokens with one family's key, as of a moment in seconds."""

    algorithm: str = "HS256"
    now: int | None = None
    issuer: str = ISSUER
    audience: str = AUDIENCE
    key_id: str | None = None

    @property
    def seconds(self) -> int:
        return int(time.time()) if self.now is None else self.now

    def claims(self, **changes: Any) -> dict[str, Any]:
        """Return good claims of an admin; `MISSING` as a value takes a claim out."""
        good = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": "someone",
            "iat": self.seconds,
            "exp": self.seconds + HOUR_SECONDS,
            "roles": ["admin"],
        }
        return {name: value for name, value in {**good, **changes}.items() if value is not MISSING}

    def header(self, **changes: Any) -> dict[str, Any]:
        kid = {} if self.key_id is None else {"kid": self.key_id}
        header = {"alg": self.algorithm, "typ": "JWT", **kid, **changes}
        return {name: value for name, value in header.items() if value is not MISSING}

    def token(self, header: Mapping[str, Any] | None = None, /, **changes: Any) -> str:
        """Return a token that is good but for the changes."""
        return self.write(self.header(**(header or {})), self.claims(**changes))

    def write(self, header: Any, payload: Any, sign: Callable[[bytes], bytes] | None = None) -> str:
        """Return a token of any parts, signed over what they are."""
        signed = f"{encoded(as_json(header))}.{encoded(as_json(payload))}"
        return f"{signed}.{encoded((sign or self.sign)(signed.encode()))}"

    def sign(self, signed: bytes) -> bytes:
        return signature(self.algorithm, private_key(self.algorithm), signed)


def signature(algorithm: str, key: Any, signed: bytes) -> bytes:
    return get_default_algorithms()[algorithm].sign(signed, key)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
