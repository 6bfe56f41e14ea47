"""Tokens that must not open anything: 401 or 403, each with its code, and never an error of the server."""

import hashlib
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import get_default_algorithms
from tests.support.tokens import HOUR_SECONDS, MISSING, Forge, encoded, private_key, public_pem, signature

REFUSED, EXPIRED, FORBIDDEN = "unauthenticated", "token_expired", "forbidden"
_BYTES_OF_LONG_TOKEN = 100_000


@dataclass(frozen=True)
class Attack:
    name: str
    token: str
    code: str = REFUSED

    @property
    def fits_a_header(self) -> bool:
        """Whether HTTP itself lets it through to the server's code."""
        return self.token.isascii() and self.token.isprintable() and 0 < len(self.token) < 60_000


def attacks(forge: Forge) -> list[Attack]:
    """Return every attack on a server that takes what `forge` signs."""
    groups = (_algorithms, _keys, _headers, _shapes, _moments, _names, _tenants_and_roles, _payloads)
    return [attack for group in groups for attack in group(forge)]


def _hmac(key: bytes, digest: str = "sha256") -> Callable[[bytes], bytes]:
    return lambda signed: hmac.digest(key, signed, digest)


def _algorithms(forge: Forge) -> Iterator[Attack]:
    payload = forge.claims()

    def nothing(_: bytes) -> bytes:
        return b""

    for name in ("none", "None", "NONE", "nOnE", "none ", ""):
        yield Attack(f"alg {name!r} unsigned", forge.write(forge.header(alg=name), payload, nothing))
        yield Attack(f"alg {name!r} signed", forge.write(forge.header(alg=name), payload))
    unsigned = forge.write(forge.header(alg="none"), payload, nothing)
    yield Attack("alg none without its last dot", unsigned.rstrip("."))
    for value in (MISSING, None, 256, True, [forge.algorithm], {"alg": forge.algorithm}):
        yield Attack(f"alg is {value!r:.20}", forge.write(forge.header(alg=value), payload))
    for name in (forge.algorithm.lower(), f" {forge.algorithm}", f"{forge.algorithm}\u0000"):
        if name != forge.algorithm:
            yield Attack(f"alg spelt {name!r}", forge.write(forge.header(alg=name), payload))
    for other in ("HS256", "HS384", "HS512", "RS256", "RS384", "PS256", "ES256", "EdDSA"):
        if other != forge.algorithm:
            family = {"RS384": "RS256", "PS256": "RS256"}.get(other, other)
            key = private_key(family, 1)

            def sign(signed: bytes, other: str = other, key: Any = key) -> bytes:
                return signature(other, key, signed)

            yield Attack(f"signed with {other}", forge.write(forge.header(alg=other), payload, sign))
            yield Attack(f"signed with {other}, said to be ours", forge.write(forge.header(), payload, sign))


def _keys(forge: Forge) -> Iterator[Attack]:
    payload = forge.claims()
    family = "RS256" if forge.algorithm == "HS256" else forge.algorithm
    public = private_key(family).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    pem = public_pem(family)
    for name, key in (
        ("the public key", pem),
        ("the public key without its last line break", pem.rstrip()),
        ("the public key with line breaks of Windows", pem.replace(b"\n", b"\r\n")),
        ("the public key in DER", der),
        ("nothing", b"\0"),
        ("a word", b"secret"),
        ("the name of the issuer", forge.issuer.encode()),
    ):
        yield Attack(
            f"HS256 with {name} as secret", forge.write(forge.header(alg="HS256"), payload, _hmac(key))
        )
    stranger = private_key(forge.algorithm, 1)
    yield Attack(
        "signed with another key of the family",
        forge.write(forge.header(), payload, lambda signed: signature(forge.algorithm, stranger, signed)),
    )
    for length in (0, 32, 64, 256):

        def zeros(_: bytes, length: int = length) -> bytes:
            return bytes(length)

        yield Attack(f"a signature of {length} zeros", forge.write(forge.header(), payload, zeros))
    digest = forge.write(forge.header(), payload, lambda signed: hashlib.sha256(signed).digest())
    yield Attack("a digest for a signature", digest)


def _headers(forge: Forge) -> Iterator[Attack]:
    stranger = Stranger(forge)
    jwk = stranger.jwk()
    brought: dict[str, dict[str, Any]] = {
        "jwk": {"jwk": jwk},
        "jku": {"jku": "http://127.0.0.1:9/keys.json"},
        "x5u": {"x5u": "http://127.0.0.1:9/certificate.pem"},
        "x5c": {"x5c": ["MIIB"]},
        "x5t": {"x5t": "AAAA"},
        "kid of a file": {"kid": "../../../../dev/null"},
        "kid of an address": {"kid": "http://127.0.0.1:9/key"},
        "kid of a query": {"kid": "x' UNION SELECT 'key' --"},
        "kid of a command": {"kid": "key|whoami"},
        "kid that is long": {"kid": "k" * 8000},
        "kid that is empty": {"kid": ""},
        "kid with a NUL": {"kid": "key\x00"},
    }
    for name, changes in brought.items():
        yield Attack(f"a stranger's key named by {name}", stranger.token(**changes))
    for value in (7, ["key-0"], {"kid": "key-0"}, True):
        yield Attack(f"kid is {value!r}", forge.token({"kid": value}))
    odd: dict[str, dict[str, Any]] = {
        "crit of what is not known": {"crit": ["exp"], "exp": 1},
        "crit that is empty": {"crit": []},
        "crit that is no list": {"crit": "b64"},
        "crit of b64": {"crit": ["b64"], "b64": True},
        "b64 is false": {"crit": ["b64"], "b64": False},
        "b64 is false, and not critical": {"b64": False},
        "a logout token": {"typ": "logout+jwt"},
        "a DPoP proof": {"typ": "dpop+jwt"},
        "typ is a number": {"typ": 1},
        "typ is null": {"typ": None},
    }
    for name, changes in odd.items():
        yield Attack(name, forge.token(changes))
    alg = json.dumps(forge.algorithm)
    for name, header in {
        "alg twice, none first": f'{{"alg":"none","alg":{alg}}}',
        "alg twice, none last": f'{{"alg":{alg},"alg":"none"}}',
        "alg twice, escaped": f'{{"alg":{alg},"\\u0061lg":"none"}}',
        "a header that is a list": f"[{alg}]",
        "a header that is text": alg,
        "a header that is null": "null",
        "a header that is no JSON": "{alg:none}",
        "a header with a comment": f'{{"alg":{alg}/* */}}',
        "a header with more behind it": f'{{"alg":{alg}}}{{}}',
        "a header in UTF-16": f'{{"alg":{alg}}}'.encode("utf-16"),
        "a header with a mark of its encoding": f'{{"alg":{alg}}}'.encode("utf-8-sig"),
        "a header nested deep": "[" * 5000,
        "a header with NaN": f'{{"alg":{alg},"x":NaN}}',
    }.items():
        yield Attack(name, forge.write(header, forge.claims()))


@dataclass(frozen=True)
class Stranger:
    """Somebody who signs well, with a key of their own that the token itself brings."""

    forge: Forge

    @property
    def algorithm(self) -> str:
        return "RS256" if self.forge.algorithm == "HS256" else self.forge.algorithm

    def jwk(self) -> dict[str, Any]:
        algorithm = private_key_algorithm(self.algorithm)
        jwk: dict[str, Any] = algorithm.to_jwk(private_key(self.algorithm, 1).public_key(), as_dict=True)
        return jwk

    def token(self, **changes: Any) -> str:
        key = private_key(self.forge.algorithm, 1)
        return self.forge.write(
            self.forge.header(**changes),
            self.forge.claims(),
            lambda signed: signature(self.forge.algorithm, key, signed),
        )


def private_key_algorithm(name: str) -> Any:

    return get_default_algorithms()[name]


def _shapes(forge: Forge) -> Iterator[Attack]:
    good = forge.token()
    header, payload, signed = good.split(".")
    other_payload = encoded(json.dumps(forge.claims(sub="somebody else")).encode())
    flipped = signed[:10] + ("A" if signed[10] != "A" else "B") + signed[11:]
    for name, token in {
        "one part": header,
        "two parts": f"{header}.{payload}",
        "four parts": f"{good}.{signed}",
        "five parts, as encrypted tokens have": f"{header}.{payload}.{signed}.{payload}.{signed}",
        "dots": "..",
        "an empty signature": f"{header}.{payload}.",
        "an empty payload": f"{header}..{signed}",
        "an empty header": f".{payload}.{signed}",
        "cut in its signature": good[:-8],
        "cut in its payload": f"{header}.{payload[:-8]}.{signed}",
        "a payload put in": f"{header}.{other_payload}.{signed}",
        "a letter of the signature changed": f"{header}.{payload}.{flipped}",
        "a dot in front": f".{good}",
        "a dot behind": f"{good}.",
        "padding": f"{header}==.{payload}.{signed}",
        "padding behind": f"{good}=",
        "standard base64": f"{header}.{payload}.{signed[:-2]}+/",
        "no base64": f"{header}.{payload[:-1]}!.{signed}",
        "spaces inside": f"{header} .{payload}.{signed}",
        "a line break inside": f"{header}.\n{payload}.{signed}",
        "a NUL inside": f"{header}.{payload}\x00.{signed}",
        "a NUL behind": f"{good}\x00",
        "letters beyond ASCII": f"{header}.{payload}.{signed}\u00e9",
        "full-width letters": f"{header}.{payload}.\uff21{signed[1:]}",
        "a dot of another script": f"{header}\u3002{payload}.{signed}",
        "one byte more in the signature": f"{header}.{payload}.{signed}AAAA",
        "JSON serialisation": json.dumps({"payload": payload, "protected": header, "signature": signed}),
        "quotes around": f'"{good}"',
        "two tokens": f"{good},{good}",
        "a signature of another token": f"{header}.{payload}.{forge.token(sub='x').split('.')[2]}",
        "17 KB": f"{header}.{'A' * 17_000}.{signed}",
        "50 KB": f"{header}.{'A' * 50_000}.{signed}",
        "100 KB": f"{header}.{'A' * _BYTES_OF_LONG_TOKEN}.{signed}",
        "100 KB of dots": "." * _BYTES_OF_LONG_TOKEN,
    }.items():
        yield Attack(f"shape: {name}", token)
    # The last character of a part holds bits that no byte uses: set, they spell the same signature again.
    for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        again = f"{header}.{payload}.{signed[:-1]}{letter}"
        if letter != signed[-1]:
            yield Attack(f"shape: the last letter is {letter}", again)


def _moments(forge: Forge) -> Iterator[Attack]:
    now = forge.seconds
    for name in ("exp", "iat", "iss", "aud", "sub"):
        yield Attack(f"{name} is missing", forge.token(**{name: MISSING}))
        yield Attack(f"{name} is null", forge.token(**{name: None}))
    for name in ("exp", "iat", "nbf"):
        values: tuple[Any, ...] = (
            str(now + HOUR_SECONDS), "", "never", [now], {}, True, False, -1, -0.5, 1e300, 10**30, -(10**30),
            now * 1000, 253_402_300_800,
        )  # fmt: skip
        for value in values:
            yield Attack(f"{name} is {value!r:.30}", forge.token(**{name: value}))
        claims = json.dumps(forge.claims(**{name: "HERE"}))
        for text in ("NaN", "Infinity", "-Infinity", "1e999", "0x7fffffff", "1_800_000_000", "01800000000"):
            token = forge.write(forge.header(), claims.replace('"HERE"', text))
            yield Attack(f"{name} is {text}", token)
    yield Attack("nbf is null", forge.token(nbf=None))
    for name in ("iat", "nbf"):
        for seconds in (60, HOUR_SECONDS, 10**9):
            yield Attack(
                f"{name} in {seconds} s", forge.token(**{name: now + seconds, "exp": now + 2 * 10**9})
            )
    for seconds in (0, 1, 60, HOUR_SECONDS, now):
        yield Attack(f"expired {seconds} s ago", forge.token(exp=now - seconds), EXPIRED)
    expired = forge.token(exp=now - 60)
    yield Attack("expired, and its signature is wrong", expired[:-8] + "AAAAAAAA")
    yield Attack("expired, and for another audience", forge.token(exp=now - 60, aud="other"))
    yield Attack("expired, and of another issuer", forge.token(exp=now - 60, iss="other"))
    yield Attack("expired, and without a subject", forge.token(exp=now - 60, sub=""))
    yield Attack("expired, and not valid yet", forge.token(exp=now - 60, nbf=now + 60))
    yield Attack("expired, and without a role", forge.token(exp=now - 60, roles=[]), EXPIRED)


def _names(forge: Forge) -> Iterator[Attack]:
    ours = forge.issuer
    issuers: tuple[Any, ...] = (
        "other", "", ours.upper(), f"{ours}/", f" {ours}", f"{ours}\x00", f"{ours}.evil.example", [ours], [],
        {"iss": ours}, 1, True,
    )  # fmt: skip
    for value in issuers:
        yield Attack(f"iss is {value!r}", forge.token(iss=value))
    audience = forge.audience
    audiences: tuple[Any, ...] = (
        "other", "", audience.upper(), f"{audience} other", audience[:-1], f"{audience}x", [], ["other"],
        [audience.upper()], [[audience]], [audience, 1], [audience, None], {audience: True}, 1, True,
    )  # fmt: skip
    for value in audiences:
        yield Attack(f"aud is {value!r}", forge.token(aud=value))
    subjects: tuple[Any, ...] = (
        "", " ", "\t", "\n", "a\nb", "a\r\nSet-Cookie: x=y", "a\x00b", "\x00", "a\x1b[2J", "\x7f", "\u202egnp",
        "\u200b", "\ufeff", "\u2028", "s" * 256, "s" * 5000, 1, 1.5, True, [], ["someone"], {"sub": "someone"},
    )  # fmt: skip
    for value in subjects:
        yield Attack(f"sub is {_shown(value)}", forge.token(sub=value))


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) < 40 else f"{shown[:10]} of {len(shown)} characters"


def _tenants_and_roles(forge: Forge) -> Iterator[Attack]:
    tenants: tuple[Any, ...] = (
        None, "", " ", "..", ".", "/", "../red", "red/../blue", "red/blue", "/etc/passwd", "\\\\red", "%2e%2e", "*",
        "red\x00", "red\n", "red blue", "rêd", "\u202e", "-red", "red'--", "t" * 129, "t" * 5000, 1, True, [],
        ["red"], {"tenant": "red"},
    )  # fmt: skip
    for value in tenants:
        yield Attack(f"tenant is {_shown(value)}", forge.token(tenant=value))
    for value in (None, "admin", "", 1, True, {}, {"admin": True}, [1], [None], ["admin", 1], [["admin"]]):
        yield Attack(f"roles is {value!r}", forge.token(roles=value))
    unknown: tuple[Any, ...] = (
        MISSING, [], [""], ["root"], ["Admin"], ["admin "], ["ADMIN"], ["read,run"], ["admin\x00"], ["*"],
    )  # fmt: skip
    for value in unknown:
        name = "missing" if value is MISSING else repr(value)
        yield Attack(f"roles: {name}", forge.token(roles=value), FORBIDDEN)


def _payloads(forge: Forge) -> Iterator[Attack]:
    good = json.dumps(forge.claims(exp=MISSING))
    exp = forge.seconds + HOUR_SECONDS
    for name, payload in {
        "exp twice, good first": f'{{"exp":{exp},"exp":1,{good[1:]}',
        "exp twice, good last": f'{{"exp":1,"exp":{exp},{good[1:]}',
        "sub twice": f'{{"exp":{exp},"sub":"root",{good[1:]}',
        "roles twice": f'{{"exp":{exp},"roles":["admin"],{good[1:]}',
        "tenant twice, escaped": f'{{"exp":{exp},"tenant":"red","\\u0074enant":"blue",{good[1:]}',
        "a list": f"[{good}]",
        "text": '"admin"',
        "null": "null",
        "a number": "1",
        "nothing": b"\0",
        "no JSON": "{exp:1}",
        "a comma too many": f'{{"exp":{exp},{good[1:-1]},}}',
        "more behind it": f'{{"exp":{exp},{good[1:]}{{}}',
        "UTF-16": f'{{"exp":{exp},{good[1:]}'.encode("utf-16"),
        "a mark of its encoding": f'{{"exp":{exp},{good[1:]}'.encode("utf-8-sig"),
        "no UTF-8": b'{"sub":"\xff\xfe"}',
        "half a character": f'{{"exp":{exp},"x":"\\ud800",{good[1:]}',
        "lists nested deep": f'{{"exp":{exp},"x":{"[" * 3000}{"]" * 3000},{good[1:]}',
        "objects nested deep": f'{{"exp":{exp},"x":{"{" + chr(34) + "a" + chr(34) + ":"}' * 1500,
        "NaN in a claim that nobody reads": f'{{"exp":{exp},"x":NaN,{good[1:]}',
    }.items():
        yield Attack(f"payload: {name}", forge.write(forge.header(), payload))
