"""Whether a token is good: attacks on each family, and what is taken."""

from typing import Any

import jwt
import pytest
from tests.support.attack_tokens import attacks
from tests.support.clock import START_MS, FakeClock
from tests.support.tokens import (
    AUDIENCE,
    FAMILIES,
    HOUR_SECONDS,
    ISSUER,
    MISSING,
    SECRET,
    Forge,
    private_key,
    public_pem,
)

from airboss.domain.errors import AirbossError
from airboss.domain.policies import JwtPolicy
from airboss.domain.principals import Principal, Role
from airboss.security.tokens.keys import HmacKey, KeySource, OneKey, VerifyKey
from airboss.security.tokens.public_keys import read_public_key
from airboss.security.tokens.verifier import REMEMBERED_TOKENS, TokenVerifier

NOW = START_MS // 1000
MIN_ATTACKS = 80


def forge_of(algorithm: str) -> Forge:
    return Forge(algorithm, now=NOW)


def policy_of(algorithm: str) -> JwtPolicy:
    return JwtPolicy(algorithm, ISSUER, AUDIENCE, secret=None, public_key_path=None, jwks_url=None)


def verify_key(algorithm: str, number: int = 0) -> VerifyKey:
    if algorithm == "HS256":
        return HmacKey(private_key(algorithm, number))
    return read_public_key(public_pem(algorithm, number), algorithm)


def verifier_of(
    algorithm: str, *, keys: KeySource | None = None, clock: FakeClock | None = None
) -> TokenVerifier:
    return TokenVerifier(policy_of(algorithm), keys or OneKey(verify_key(algorithm)), clock or FakeClock())


class CountedKey:
    """Counts how often a signature is looked at."""

    def __init__(self, key: VerifyKey) -> None:
        self._key = key
        self.looks = 0

    def verifies(self, signed: bytes, signature: bytes) -> bool:
        self.looks += 1
        return self._key.verifies(signed, signature)


async def refusal(verifier: TokenVerifier, token: str) -> AirbossError:
    with pytest.raises(AirbossError) as caught:
        await verifier.verify(token)
    return caught.value


@pytest.mark.parametrize("algorithm", FAMILIES)
async def test_every_attack_is_refused_with_its_code(algorithm: str) -> None:
    table = attacks(forge_of(algorithm))
    verifier = verifier_of(algorithm)
    outcomes = {attack.name: (await refusal(verifier, attack.token)).code for attack in table}
    assert outcomes == {attack.name: attack.code for attack in table}
    # Two of one name would hide each other, in this dictionary and in the figure.
    assert len(outcomes) == len(table) >= MIN_ATTACKS


@pytest.mark.parametrize("algorithm", FAMILIES)
async def test_a_refusal_never_repeats_the_token(algorithm: str) -> None:
    verifier = verifier_of(algorithm)
    for attack in attacks(forge_of(algorithm)):
        parts = [part for part in attack.token.split(".") if len(part) > 20]
        message = (await refusal(verifier, attack.token)).message
        assert not any(part in message for part in parts), attack.name


@pytest.mark.parametrize("algorithm", FAMILIES)
@pytest.mark.parametrize(
    ("header", "claims"),
    [
        ({}, {}),
        ({"typ": MISSING}, {}),
        ({"typ": "at+jwt"}, {}),
        ({"typ": "application/AT+JWT"}, {}),
        ({"kid": "any"}, {}),
        ({"kid": None}, {}),
        ({"x5t": "abc", "x5c": ["MIIB"], "jku": "http://127.0.0.1:9/"}, {}),
        ({}, {"aud": [AUDIENCE]}),
        ({}, {"aud": ["other", AUDIENCE]}),
        ({}, {"exp": NOW + 1}),
        ({}, {"exp": NOW + 0.5}),
        ({}, {"exp": 253_402_300_799}),
        ({}, {"iat": NOW + 4, "nbf": NOW + 4}),
        ({}, {"iat": 0, "nbf": 0}),
        ({}, {"jti": 7, "scope": "x", "azp": None}),
        ({}, {"roles": ["admin", "auditor"]}),
    ],
    ids=repr,
)
async def test_what_is_taken(algorithm: str, header: dict[str, Any], claims: dict[str, Any]) -> None:
    caller = await verifier_of(algorithm).verify(forge_of(algorithm).token(header, **claims))
    assert (caller.subject, caller.tenant, caller.role) == ("someone", "default", Role.ADMIN)


@pytest.mark.parametrize("algorithm", FAMILIES)
async def test_what_a_library_signs_is_taken(algorithm: str) -> None:
    claims = forge_of(algorithm).claims(tenant="red", roles=["run"], sub="Jürgen Ünal")
    token = jwt.encode(claims, private_key(algorithm), algorithm=algorithm)
    caller = await verifier_of(algorithm).verify(token)
    assert caller == Principal("Jürgen Ünal", "red", Role.RUN, (NOW + HOUR_SECONDS) * 1000)


@pytest.mark.parametrize(
    ("roles", "strongest"),
    [
        (["read"], Role.READ),
        (["read", "run"], Role.RUN),
        (["admin", "read"], Role.ADMIN),
        (["run", "x"], Role.RUN),
    ],
)
async def test_the_strongest_of_the_known_roles_counts(roles: list[str], strongest: Role) -> None:
    assert (await verifier_of("HS256").verify(forge_of("HS256").token(roles=roles))).role is strongest


@pytest.mark.parametrize("tenant", ["red", "Red-1", "a.b_c", "0", "org:7", "team@red.example", "t" * 128])
async def test_tenants_that_are_taken(tenant: str) -> None:
    assert (await verifier_of("HS256").verify(forge_of("HS256").token(tenant=tenant))).tenant == tenant


async def test_a_token_expires_at_its_second_whether_it_is_known_or_not() -> None:
    clock = FakeClock()
    verifier = verifier_of("HS256", clock=clock)
    token = forge_of("HS256").token(exp=NOW + 10)
    await verifier.verify(token)
    clock.advance(9.999)
    await verifier.verify(token)
    clock.advance(0.001)
    assert (await refusal(verifier, token)).code == "token_expired"
    assert (await refusal(verifier, token)).code == "token_expired"
    assert (await refusal(verifier_of("HS256", clock=clock), token)).code == "token_expired"


async def test_a_clock_that_is_behind_is_borne_for_five_seconds() -> None:
    clock = FakeClock()
    verifier = verifier_of("HS256", clock=clock)
    token = forge_of("HS256").token(iat=NOW + 6)
    assert "not valid yet" in (await refusal(verifier, token)).message
    clock.advance(1)
    await verifier.verify(token)


async def test_a_known_token_is_not_looked_at_again() -> None:
    key = CountedKey(HmacKey(SECRET.encode()))
    verifier = verifier_of("HS256", keys=OneKey(key))
    token = forge_of("HS256").token()
    first = await verifier.verify(token)
    assert await verifier.verify(token) == first
    assert key.looks == 1
    changed = token[:-1] + ("A" if token[-1] != "A" else "B")
    await refusal(verifier, changed)
    await refusal(verifier, changed)
    assert key.looks == 1 + (2 if changed_signature_is_spelt_well(changed) else 0)


def changed_signature_is_spelt_well(token: str) -> bool:
    """Tell whether the bits behind the last byte are zero: else it is refused before it is looked at."""
    return token[-1] in "AEIMQUYcgkosw048"


async def test_only_so_many_tokens_are_remembered_and_the_last_used_stay() -> None:
    key = CountedKey(HmacKey(SECRET.encode()))
    verifier = verifier_of("HS256", keys=OneKey(key))
    forge = forge_of("HS256")
    tokens = [forge.token(sub=f"caller {number}") for number in range(REMEMBERED_TOKENS + 1)]
    for token in tokens[:-1]:
        await verifier.verify(token)
    await verifier.verify(tokens[0])
    assert key.looks == REMEMBERED_TOKENS
    await verifier.verify(tokens[-1])
    await verifier.verify(tokens[0])
    assert key.looks == REMEMBERED_TOKENS + 1
    await verifier.verify(tokens[1])
    assert key.looks == REMEMBERED_TOKENS + 2


async def test_what_was_verified_with_other_keys_is_verified_again() -> None:
    class Changing(OneKey):
        generation = 0

    keys = Changing(verify_key("ES256"))
    verifier = verifier_of("ES256", keys=keys)
    token = forge_of("ES256").token()
    await verifier.verify(token)
    keys._key = verify_key("ES256", 1)
    await verifier.verify(token)
    keys.generation += 1
    assert "signature" in (await refusal(verifier, token)).message
