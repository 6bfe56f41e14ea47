"""What `airboss token issue` does; loaded when a token is asked for."""

import os
import time
from collections.abc import Sequence
from pathlib import Path

from airboss.cli.failures import UsageError
from airboss.cli.settings import load, refusals_as_usage
from airboss.config.runtime_config import jwt_policy
from airboss.config.settings import AppSettings
from airboss.domain.principals import Role
from airboss.security.secrets import SecretReference, SecretResolver, SecretUnavailable
from airboss.security.tokens.claims import DEFAULT_TENANT
from airboss.security.tokens.keys import KeyRefusedError
from airboss.security.tokens.signer import (
    TokenRefusedError,
    TokenSigner,
    private_key_signer,
    secret_signer,
)


def issue(
    config: Path | None, *, subject: str, roles: Sequence[str], tenant: str | None, ttl_seconds: int
) -> str:
    """Return a token signed with the key of the settings."""
    signer = _signer(load(config).settings)
    with refusals_as_usage(TokenRefusedError):
        return signer.sign(
            subject=subject,
            roles=[Role(role) for role in roles],
            tenant=DEFAULT_TENANT if tenant is None else tenant,
            ttl_seconds=ttl_seconds,
            now_seconds=int(time.time()),
        )


def _signer(settings: AppSettings) -> TokenSigner:
    jwt = settings.auth.jwt
    policy = jwt_policy(settings, Path.cwd())
    if policy.algorithm == "HS256":
        return _secret_signer(settings)
    if jwt.signing_key_path is None:
        raise UsageError(
            f"tokens signed with {policy.algorithm} need a private key: name its PEM file in"
            " auth.jwt.signing_key_path, or get tokens from your issuer"
        )
    path = Path.cwd() / jwt.signing_key_path
    try:
        return private_key_signer(policy, path)
    except KeyRefusedError as error:
        raise UsageError(f"auth.jwt.signing_key_path: {path}: {error}") from None
    except OSError as error:
        raise UsageError(f"auth.jwt: {error.filename} cannot be read ({error.strerror})") from None


def _secret_signer(settings: AppSettings) -> TokenSigner:
    policy = jwt_policy(settings, Path.cwd())
    if policy.secret is None:
        raise UsageError("auth.jwt.secret: HS256 needs a secret, such as secret://env/AIRBOSS_JWT_SECRET")
    resolver = SecretResolver(os.environ, Path.cwd())
    try:
        return secret_signer(policy, resolver.resolve(SecretReference.parse(policy.secret)))
    except SecretUnavailable as error:
        raise UsageError(f"auth.jwt.secret: {error}") from None
    except KeyRefusedError as error:
        raise UsageError(f"auth.jwt.secret: {policy.secret}: {error}") from None
