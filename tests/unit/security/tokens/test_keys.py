"""Which keys are taken: strong ones, of the right kind, for signatures."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.tokens import Forge, private_pem, public_jwk, public_pem

from airboss.security.tokens.keys import HmacKey, KeyRefusedError
from airboss.security.tokens.public_keys import read_key_set, read_public_key

ASYMMETRIC = ("RS256", "ES256", "EdDSA")


def pem_of(private: Any) -> bytes:
    pem: bytes = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem


@pytest.mark.parametrize("length", [0, 1, 16, 31])
def test_a_secret_of_fewer_than_32_bytes_is_refused(length: int) -> None:
    with pytest.raises(KeyRefusedError, match=rf"32 bytes or more, this one has {length}"):
        HmacKey(b"s" * length)
    HmacKey(b"s" * 32)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize("of", [public_pem, private_pem])
def test_a_key_of_another_family_is_no_secret(algorithm: str, of: Any) -> None:
    with pytest.raises(KeyRefusedError, match="another family"):
        HmacKey(of(algorithm))


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize(
    ("private", "fits"),
    [
        (rsa.generate_private_key(65537, 1024), ""),
        (rsa.generate_private_key(65537, 2047), ""),
        (rsa.generate_private_key(65537, 2048), "RS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), ""),
        (ec.generate_private_key(ec.SECP256K1()), ""),
        (ed448.Ed448PrivateKey.generate(), ""),
    ],
    ids=["RSA 1024", "RSA 2047", "RSA 2048", "P-256", "P-384", "secp256k1", "Ed448"],
)
def test_a_key_fits_one_family_and_is_strong(algorithm: str, private: Any, fits: str) -> None:
    if algorithm == fits:
        read_public_key(pem_of(private), algorithm)
        return
    with pytest.raises(KeyRefusedError, match=algorithm):
        read_public_key(pem_of(private), algorithm)


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_server_is_not_given_a_private_key(algorithm: str) -> None:
    with pytest.raises(KeyRefusedError, match="a server needs the public one"):
        read_public_key(private_pem(algorithm), algorithm)


@pytest.mark.parametrize("content", [b"", b"secret", b"\xff\x00", b"-----BEGIN PUBLIC KEY-----\nAAAA\n"])
def test_what_is_no_key_is_told(content: bytes) -> None:
    with pytest.raises(KeyRefusedError, match="no PEM file with a public key"):
        read_public_key(content, "RS256")


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_key_set_is_read_by_ids(algorithm: str) -> None:
    document = {"keys": [public_jwk(algorithm), public_jwk(algorithm, 1), public_jwk(algorithm, 2, kid=None)]}
    del document["keys"][2]["kid"]
    keys = read_key_set(document, algorithm)
    assert set(keys) == {"key-0", "key-1", None}
    signed, _, signature = Forge(algorithm).token().rpartition(".")
    raw = Forge(algorithm).sign(signed.encode())
    assert [keys[key_id].verifies(signed.encode(), raw) for key_id in ("key-0", "key-1", None)] == [
        True,
        False,
        False,
    ]
    assert signature


@pytest.mark.parametrize("algorithm", ASYMMETRIC)
@pytest.mark.parametrize(
    "members",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"alg": "HS256"},
        {"alg": "RS512"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": None},
        {"kty": ["RSA"]},
        {"kid": 7},
        {"kid": "k" * 257},
    ],
    ids=repr,
)
def test_a_key_for_something_else_is_passed_over(algorithm: str, members: dict[str, Any]) -> None:
    good = public_jwk(algorithm, 1)
    odd = public_jwk(algorithm, kid="odd") | members
    assert set(read_key_set({"keys": [odd, good]}, algorithm)) == {"key-1"}
    with pytest.raises(KeyRefusedError, match="no key for signatures"):
        read_key_set({"keys": [odd]}, algorithm)


@pytest.mark.parametrize(
    ("algorithm", "members"),
    [
        ("RS256", {"n": "AQAB"}),
        ("RS256", {"n": "A" * 5000}),
        ("RS256", {"e": "AQ"}),
        ("RS256", {"e": "Ag"}),
        ("RS256", {"n": 7}),
        ("RS256", {"n": ""}),
        ("RS256", {"n": "!"}),
        ("ES256", {"crv": "P-384"}),
        ("ES256", {"crv": None}),
        ("ES256", {"x": "AA"}),
        ("ES256", {"y": "A" * 43}),
        ("EdDSA", {"crv": "Ed448"}),
        ("EdDSA", {"crv": "X25519"}),
        ("EdDSA", {"x": "AAAA"}),
        ("EdDSA", {"x": ["AAAA"]}),
    ],
    ids=repr,
)
def test_a_key_that_is_broken_or_weak_is_passed_over(algorithm: str, members: dict[str, Any]) -> None:
    broken = public_jwk(algorithm, kid="broken") | members
    assert set(read_key_set({"keys": [broken, public_jwk(algorithm, 1)]}, algorithm)) == {"key-1"}


@pytest.mark.parametrize(
    "document",
    [None, [], "keys", 7, {}, {"keys": None}, {"keys": {}}, {"keys": []}, {"keys": [None, 1, "a", []]}],
    ids=repr,
)
def test_what_is_no_key_set_is_told(document: Any) -> None:
    with pytest.raises(KeyRefusedError):
        read_key_set(document, "RS256")


def test_a_private_part_that_an_issuer_publishes_is_not_read() -> None:
    leaked = public_jwk("EdDSA") | {"d": "A" * 43}
    (key,) = read_key_set({"keys": [leaked]}, "EdDSA").values()
    assert key == read_public_key(public_pem("EdDSA"), "EdDSA")


def test_of_two_keys_with_one_id_the_first_counts() -> None:
    keys = [public_jwk("ES256", kid="same"), public_jwk("ES256", 1, kid="same")]
    assert read_key_set({"keys": keys}, "ES256") == {"same": read_public_key(public_pem("ES256"), "ES256")}
