"""From the claims of a token whose signature is good to the caller it stands for."""

import math
import re
from collections.abc import Mapping
from typing import Any

from airboss.domain.errors import AirbossError
from airboss.domain.principals import Principal, Role
from airboss.security.tokens.refusals import refused

DEFAULT_TENANT = "default"
MAX_SUBJECT_CHARACTERS = 255
#: How far an issuer's clock may be ahead. A token's end is taken as it stands: nobody is let in after it.
LEEWAY_SECONDS = 5.0
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@-]{0,127}", re.ASCII)
TENANT_FORM = "1 to 128 of A-Z, a-z, 0-9, '.', '_', ':', '@' and '-', starting with a letter or a digit"
SUBJECT_FORM = f"1 to {MAX_SUBJECT_CHARACTERS} printable characters"
#: The end of the year 9999: what is beyond is no moment but a mistake.
_LAST_SECOND = 253_402_300_799


def principal_of_claims(claims: Mapping[str, Any], *, issuer: str, audience: str, now_ms: int) -> Principal:
    """Return the caller; raises `unauthenticated`, `token_expired` where that is all, or `forbidden`."""
    expires_at_seconds = _moment(claims, "exp")
    starts = [_moment(claims, "iat"), *([_moment(claims, "nbf")] if "nbf" in claims else [])]
    if _text(claims, "iss") != issuer:
        raise refused("its issuer (iss) is not the one of this server")
    _require_audience(claims, audience)
    subject, tenant, roles = _subject(claims), _tenant(claims), _roles(claims)
    if max(starts) * 1000 > now_ms + LEEWAY_SECONDS * 1000:
        raise refused("it is not valid yet (iat, nbf); are the clocks right?")
    expires_at_ms = math.floor(expires_at_seconds * 1000)
    if expires_at_ms <= now_ms:
        raise expired()
    if not roles:
        raise AirbossError(
            "forbidden", f"the token has no role of this server (roles); there is {', '.join(Role)}"
        )
    return Principal(subject, tenant, max(roles, key=tuple(Role).index), expires_at_ms)


def expired() -> AirbossError:
    return AirbossError("token_expired", "the token has expired; get a new one")


def is_subject(value: object) -> bool:
    """Tell whether a value can name a caller: it is shown in events, logs and terminals."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= MAX_SUBJECT_CHARACTERS
        and value.isprintable()
        and not value.isspace()
    )


def is_tenant(value: object) -> bool:
    return isinstance(value, str) and _TENANT.fullmatch(value) is not None


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    if name not in claims:
        raise refused(f"the claim {name} is missing")
    return claims[name]


def _moment(claims: Mapping[str, Any], name: str) -> float:
    value = _claim(claims, name)
    # Python's booleans are numbers.
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_SECOND:
        raise refused(f"the claim {name} is no moment in seconds since 1970")
    return float(value)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = _claim(claims, name)
    if not isinstance(value, str):
        raise refused(f"the claim {name} is no text")
    return value


def _require_audience(claims: Mapping[str, Any], audience: str) -> None:
    given = _claim(claims, "aud")
    audiences = given if isinstance(given, list) else [given]
    if not all(isinstance(each, str) for each in audiences):
        raise refused("the claim aud is neither text nor a list of texts")
    if audience not in audiences:
        raise refused("it is for another audience (aud)")


def _subject(claims: Mapping[str, Any]) -> str:
    subject = _claim(claims, "sub")
    if not is_subject(subject):
        raise refused(f"the claim sub is not {SUBJECT_FORM}")
    return str(subject)


def _tenant(claims: Mapping[str, Any]) -> str:
    tenant = claims.get("tenant", DEFAULT_TENANT)
    if not is_tenant(tenant):
        raise refused(f"the claim tenant is not {TENANT_FORM}")
    return str(tenant)


def _roles(claims: Mapping[str, Any]) -> list[Role]:
    """Return the roles that are known here; others are another server's."""
    given = claims.get("roles", [])
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise refused("the claim roles is no list of texts")
    return [Role(each) for each in given if each in set(Role)]
