"""The secrets of the settings: variables and files at each use, Vault's from memory; none of them in a log."""

import asyncio
from contextlib import suppress

from airboss.domain.policies import VaultPolicy
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.security.known_secrets import KnownSecrets
from airboss.security.secrets import SecretReference, SecretResolver
from airboss.security.vault.kept import VaultSecrets

#: A start does not wait longer for Vault: what is missing then says so where it is used.
_WARM_SECONDS = 10.0


class ServerSecrets:
    """Reads what a reference stands for, without waiting for anyone."""

    def __init__(
        self,
        vault: VaultPolicy | None,
        resolver: SecretResolver,
        known: KnownSecrets,
        *,
        clock: Clock,
        log: Log,
    ) -> None:
        self._resolver = resolver
        self._known = known
        self._vault: VaultSecrets | None = None
        if vault is not None:
            self._vault = VaultSecrets(vault, read_secret=self._read_local, clock=clock, log=log)

    def read(self, reference: str) -> str:
        """Return the value, which callers must not log or keep; raises `SecretUnavailable`."""
        parsed = SecretReference.parse(reference)
        if parsed.store == "vault" and self._vault is not None:
            return self._known.remember(self._vault.read(parsed))
        return self._known.remember(self._resolver.resolve(parsed))

    async def warm(self) -> None:
        """Read what Vault has for the settings, before the first use."""
        if self._vault is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_WARM_SECONDS):
                    await self._vault.warm()

    async def keep(self) -> None:
        """Keep what Vault has fresh, until cancelled."""
        if self._vault is not None:
            try:
                await self._vault.keep()
            finally:
                await self._vault.close()

    def _read_local(self, reference: str) -> str:
        return self._known.remember(self._resolver.resolve(SecretReference.parse(reference)))
