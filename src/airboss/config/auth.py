"""Settings of authentication: `auth`."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from airboss.config.section import Section
from airboss.config.values import Expected, FilePath, HttpUrl, Secret, Text
from airboss.security.secrets import SecretReference

Algorithm = Literal["HS256", "RS256", "ES256", "EdDSA"]


def _off_of_yaml(value: Any) -> Any:
    # YAML 1.1 reads a bare `off` as false.
    return "off" if value is False else value


def _one_family(algorithms: tuple[Algorithm, ...]) -> tuple[Algorithm, ...]:
    # A verifier that takes two families can be made to check an HMAC with a public key (RFC 8725, 2.1).
    if len(set(algorithms)) > 1:
        raise ValueError("algorithms of more than one family")
    return algorithms


Algorithms = Annotated[
    tuple[Algorithm, ...],
    Field(min_length=1),
    AfterValidator(_one_family),
    Expected("a list with one family of algorithms: HS256, RS256, ES256 or EdDSA"),
]
AuthMode = Annotated[Literal["off", "jwt"], BeforeValidator(_off_of_yaml)]


class JwtSettings(Section):
    """How bearer tokens are checked, and signed by `airboss token issue`."""

    algorithms: Algorithms = Field(
        ("HS256",), description="Accepted signatures: HS256, RS256, ES256 or EdDSA, one family only."
    )
    secret: Secret | None = Field(
        SecretReference("env", "AIRBOSS_JWT_SECRET"),
        description="Reference to the key of HS256, 32 bytes or more; null where only public keys are used.",
    )
    public_key_path: FilePath | None = Field(
        None, description="PEM file with the public key of RS256 (2048 bits or more), ES256 or EdDSA."
    )
    signing_key_path: FilePath | None = Field(
        None,
        description="PEM file with the private key, only for `airboss token issue`: a server needs none.",
    )
    jwks_url: HttpUrl | None = Field(
        None,
        description="Address of the issuer's key set, read anew when a key is unknown; null: found by OpenID Connect discovery where neither a key nor this is given.",
    )
    issuer: Text = Field(
        "airboss", description="Value that the claim `iss` must have, so that other issuers are refused."
    )
    audience: Text = Field(
        "airboss", description="Value that the claim `aud` must have: a token for another is refused."
    )


class AuthSettings(Section):
    """Whether callers must show who they are."""

    mode: AuthMode = Field(
        "off",
        description="off: every caller is the local admin, on loopback only; jwt: bearer tokens are required.",
    )
    jwt: JwtSettings = Field(default_factory=JwtSettings, description="How tokens are checked with mode jwt.")
