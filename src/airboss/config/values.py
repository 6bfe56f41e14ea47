"""The kinds of value a setting can have, each with the words that tell a reader what is expected.

YAML reads `yes` as a boolean, and pydantic takes a boolean for a number: numbers refuse booleans here.
"""

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from airboss.security.allowlist import require_entry
from airboss.security.secrets import REFERENCE_FORMS, SecretReference

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
RATE_PATTERN = r"^[1-9][0-9]{0,8}/(second|minute|hour)$"
# Credentials in such a URL would be a secret written down: `@` has no place before the path.
HTTP_URL_PATTERN = r"^https?://[^\s/?#@]+([/?#]\S*)?$"
STORAGE_URL_PATTERN = r"^(sqlite:///[^\x00]+|memory://|postgresql://\S+)$"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a value must be, as it reads after "must be"; a value that is not printable may hold a secret."""

    text: str
    printable: bool = True


def _not_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a boolean is not a number")  # noqa: TRY004 - pydantic collects ValueError only
    return value


def _not_empty_path(value: Any) -> Any:
    if value == "":
        raise ValueError("an empty path would mean the working directory")
    return value


def _network(value: str) -> str:
    ipaddress.ip_network(value, strict=False)
    return value


def _redis_url(value: str) -> str:
    if value.startswith("secret://"):
        SecretReference.parse(value)
        return value
    parts = urlsplit(value)
    if parts.hostname is None or parts.port == 0:
        raise ValueError("no host, or no port that there is")
    return value


def _allowed_domain(value: str) -> str:
    require_entry(value)
    return value


def _reference(value: Any) -> SecretReference:
    if isinstance(value, SecretReference):
        return value
    if not isinstance(value, str):
        raise ValueError("a reference is text")  # noqa: TRY004 - pydantic collects ValueError only
    return SecretReference.parse(value)


_NUMBER = BeforeValidator(_not_boolean)
_FINITE = Field(allow_inf_nan=False)

Port = Annotated[int, Field(ge=0, le=65535), _NUMBER, Expected("a port from 0 to 65535 (0 picks a free one)")]
Capacity = Annotated[int, Field(ge=1), _NUMBER, Expected("a whole number of 1 or more")]
Seconds = Annotated[float, _FINITE, Field(gt=0), _NUMBER, Expected("a number of seconds greater than 0")]
DelaySeconds = Annotated[float, _FINITE, Field(ge=0), _NUMBER, Expected("a number of seconds, 0 or more")]
Share = Annotated[float, _FINITE, Field(ge=0, le=1), _NUMBER, Expected("a share from 0 to 1")]
Amount = Annotated[float, _FINITE, Field(ge=0), _NUMBER, Expected("a number of 0 or more")]
EventBytes = Annotated[int, Field(ge=512), _NUMBER, Expected("a whole number of bytes, 512 or more")]

Rate = Annotated[
    str, Field(pattern=RATE_PATTERN), Expected("a rate such as 600/minute (per second, minute or hour)")
]
Text = Annotated[str, Field(min_length=1), Expected("text that is not empty")]
Name = Annotated[
    str,
    Field(pattern=NAME_PATTERN),
    Expected("a name of 1 to 63 of a-z, 0-9, _ and -, starting with a letter or a digit"),
]
FilePath = Annotated[Path, BeforeValidator(_not_empty_path), Expected("a path")]
Network = Annotated[str, AfterValidator(_network), Expected("an IP address or a network such as 10.0.0.0/8")]
HostName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9._\-:\[\]]+$"),
    Expected("a host as in a Host header, such as airboss.example or airboss.example:8700"),
]
AllowedDomain = Annotated[
    str,
    Field(min_length=1),
    AfterValidator(_allowed_domain),
    Expected("a host, *.host, * or an address, without scheme, port and path"),
]
WebOrigin = Annotated[
    str, Field(pattern=r"^(\*|https?://[^\s/?#@]+)$"), Expected("an origin such as https://app.example, or *")
]
HttpUrl = Annotated[
    str,
    Field(pattern=HTTP_URL_PATTERN),
    Expected("an http:// or https:// URL without user and password", printable=False),
]
StorageUrl = Annotated[
    str,
    Field(pattern=STORAGE_URL_PATTERN),
    Expected("sqlite:///FILE, memory:// or postgresql://USER:PASSWORD@HOST/DATABASE", printable=False),
]
PostgresUrl = Annotated[
    str,
    Field(pattern=r"^postgresql://\S+$"),
    Expected("postgresql://USER:PASSWORD@HOST/DATABASE", printable=False),
]
RedisUrl = Annotated[
    str,
    Field(pattern=r"^(rediss?://[^\s/]\S*|secret://(env|file|vault)/.+)$"),
    AfterValidator(_redis_url),
    Expected("redis://HOST, rediss://HOST or a secret://… reference to such an address", printable=False),
]
RelayUrl = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9+.-]*://\S+$"),
    Expected("a URL such as redis://HOST or postgresql://HOST/DATABASE", printable=False),
]
Secret = Annotated[
    SecretReference,
    PlainValidator(_reference),
    PlainSerializer(str, return_type=str),
    WithJsonSchema({"type": "string", "pattern": "^secret://(env|file|vault)/.+$"}),
    Expected(f"a reference to the secret, not the secret: {REFERENCE_FORMS}", printable=False),
]
