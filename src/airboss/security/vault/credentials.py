"""The token that Vault is read with: given, or got by an app role, and kept alive."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from airboss.domain.policies import VaultPolicy
from airboss.ports.clock import Clock
from airboss.security.vault.api import VaultApi, VaultRefusedError, VaultToken

T = TypeVar("T")
#: Runs what blocks off the event loop, within the deadline of a call.
OffLoop = Callable[[Callable[[], T]], Awaitable[T]]
#: Renewed when so much of its life is over.
RENEW_AT = 2 / 3


class VaultCredentials:
    """One token for all reads; who finds it refused asks for another."""

    def __init__(
        self,
        policy: VaultPolicy,
        api: VaultApi,
        *,
        read_secret: Callable[[str], str],
        off_loop: OffLoop[VaultToken],
        clock: Clock,
    ) -> None:
        self._policy = policy
        self._api = api
        self._read_secret = read_secret
        self._off_loop = off_loop
        self._clock = clock
        self._token: VaultToken | None = None
        self._renew_at = 0.0
        self._lock = asyncio.Lock()

    async def token(self, *, refused: str | None = None) -> str:
        """Return a token, another one than `refused`; raises `VaultDownError` or `VaultRefusedError`.

        Raises `SecretUnavailable` where the settings' own reference to it cannot be read.
        """
        async with self._lock:
            if self._token is not None and self._token.value == refused:
                self._token = None
            if self._token is None:
                self._keep(await self._new_token(refused))
            assert self._token is not None  # noqa: S101 - kept above
            return self._token.value

    @property
    def seconds_to_renewal(self) -> float | None:
        """How long the token need not be renewed; None where there is none, or it never ends."""
        if self._token is None or not self._token.ttl_seconds:
            return None
        return max(0.0, self._renew_at - self._clock.monotonic())

    async def renew(self) -> None:
        """Renew the token where two thirds of its life are over; one that cannot be is given up for another."""
        async with self._lock:
            token = self._token
            if token is None or not token.ttl_seconds or self._clock.monotonic() < self._renew_at:
                return
            try:
                renewed = (
                    await self._off_loop(lambda: self._api.renew(token.value)) if token.renewable else None
                )
            except VaultRefusedError:
                renewed = None
            # At the end of its longest life a token is renewed by less and less.
            is_worn_out = renewed is None or renewed.ttl_seconds < token.ttl_seconds / 2
            if is_worn_out and self._policy.token is None:
                renewed = await self._new_token(None)
            if renewed is None:
                # Nobody but its owner can replace it: it is used to its end, and read anew then.
                self._renew_at = self._clock.monotonic() + token.ttl_seconds
            else:
                self._keep(renewed)

    def _keep(self, token: VaultToken) -> None:
        self._token = token
        self._renew_at = self._clock.monotonic() + token.ttl_seconds * RENEW_AT

    async def _new_token(self, refused: str | None) -> VaultToken:
        policy = self._policy
        if policy.token is not None:
            value = self._read_secret(policy.token)
            if value == refused:
                raise VaultRefusedError(f"Vault denies access with the token of {policy.token}")
            return await self._look_up(value)
        role_id, secret_id = self._read_secret(policy.role_id), self._read_secret(policy.secret_id)
        try:
            return await self._off_loop(lambda: self._api.login(role_id, secret_id))
        except VaultRefusedError:
            text = f"Vault refuses the login with {policy.role_id} and {policy.secret_id}"
            raise VaultRefusedError(text) from None

    async def _look_up(self, value: str) -> VaultToken:
        try:
            return await self._off_loop(lambda: self._api.look_up(value))
        except VaultRefusedError:
            # It may be good for reading and not for asking about itself; a read will tell.
            return VaultToken(value, 0.0, renewable=False)
