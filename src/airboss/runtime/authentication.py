"""Which keys tokens are verified with, chosen by the settings."""

import importlib
from collections.abc import Callable
from typing import Any

import structlog

from airboss.config.findings import Finding, RefusedSettingsError
from airboss.domain.policies import JwtPolicy
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.resilience.background import Background
from airboss.resilience.system_clock import SystemClock
from airboss.security.secrets import SecretUnavailable
from airboss.security.tokens.issuer_documents import IssuerDocuments
from airboss.security.tokens.issuer_keys import IssuerKeys
from airboss.security.tokens.keys import HmacKey, KeyRefusedError, KeySource, OneKey
from airboss.security.tokens.verifier import TokenVerifier

#: PyJWT and cryptography take 0.1 s and 9 MB, for public keys only.
_PUBLIC_KEYS_MODULE = "airboss.security.tokens.public_keys"


class TokenAuthentication:
    """The verifier of tokens, and the service that keeps its keys fresh."""

    def __init__(
        self, policy: JwtPolicy, *, read_secret: Callable[[str], str], clock: Clock, log: Log
    ) -> None:
        """Read the keys of the settings; raises `RefusedSettingsError`."""
        self.keys = _keys(policy, read_secret, clock, log)
        self.verifier = TokenVerifier(policy, self.keys, clock)
        self._keeper = Background("token keys", self.keys.keep)

    def start(self) -> None:
        self._keeper.start()

    async def stop(self) -> None:
        await self._keeper.stop()
        await self.keys.close()


def require_keys(policy: JwtPolicy, read_secret: Callable[[str], str]) -> None:
    """Raise `RefusedSettingsError` for what a start would refuse."""
    _keys(policy, read_secret, SystemClock(), structlog.get_logger())


def _keys(policy: JwtPolicy, read_secret: Callable[[str], str], clock: Clock, log: Log) -> KeySource:
    if policy.algorithm == "HS256":
        return OneKey(_shared_secret(policy, read_secret))
    # By name and not by import: see above. As with the agent loop, choosing is the runtime's to do.
    public_keys = importlib.import_module(_PUBLIC_KEYS_MODULE)
    if policy.public_key_path is not None:
        return OneKey(_public_key(public_keys, policy))
    return IssuerKeys(
        IssuerDocuments(policy),
        lambda document: public_keys.read_key_set(document, policy.algorithm),
        clock,
        log,
    )


def _shared_secret(policy: JwtPolicy, read_secret: Callable[[str], str]) -> HmacKey:
    try:
        return HmacKey(read_secret(policy.secret or "").encode())
    except SecretUnavailable as error:
        raise _refused("secret", str(error)) from None
    except KeyRefusedError as error:
        raise _refused("secret", f"{policy.secret}: {error}") from None


def _public_key(public_keys: Any, policy: JwtPolicy) -> Any:
    path = policy.public_key_path
    assert path is not None  # noqa: S101 - asked by the caller
    try:
        return public_keys.read_public_key(path.read_bytes(), policy.algorithm)
    except OSError as error:
        raise _refused("public_key_path", f"{path} cannot be read ({error.strerror})") from None
    except KeyRefusedError as error:
        raise _refused("public_key_path", f"{path}: {error}") from None


def _refused(key: str, text: str) -> RefusedSettingsError:
    return RefusedSettingsError(Finding(("auth", "jwt", key), text, (("auth", "mode"),)))
