"""The secrets of Vault that this server refers to: fetched before they are used, and kept fresh behind it."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from airboss.domain.policies import VaultPolicy
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.security.secrets import SecretReference, SecretUnavailable
from airboss.security.vault.api import VaultApi, VaultDownError, VaultRefusedError, VaultSecret
from airboss.security.vault.credentials import RENEW_AT, VaultCredentials

T = TypeVar("T")
_THREADS = 4
_NOT_YET = "it was not read from Vault yet; try again in a moment"


@dataclass(slots=True)
class _Kept:
    """What is known of one path. `refresh_at` is in the past until it was asked for the first time."""

    secret: VaultSecret | None = None
    confirmed_at: float = 0.0
    refresh_at: float = 0.0
    ends_at: float | None = None
    reason: str = _NOT_YET
    #: Of one refresh that runs, whoever asks meanwhile waits for it.
    refreshing: asyncio.Task[None] | None = field(default=None)


class VaultSecrets:
    """Serves values from memory, without waiting; `keep` reads them anew, off the event loop, before they age.

    Methods are called on the event loop. A value is at most `fresh_seconds` old, and the time of a read; while
    Vault cannot answer it is served for `stale_seconds`, and where Vault says no it is served no more.
    """

    def __init__(
        self, policy: VaultPolicy, *, read_secret: Callable[[str], str], clock: Clock, log: Log
    ) -> None:
        """`read_secret` reads what the policy itself refers to: variables and files."""
        self._policy = policy
        self._clock = clock
        self._log = log
        self._api = VaultApi(policy.address)
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="airboss-vault")
        self._credentials = VaultCredentials(
            policy, self._api, read_secret=read_secret, off_loop=self._off_loop, clock=clock
        )
        self._kept: dict[str, _Kept] = {location: _Kept() for location in sorted(policy.locations)}
        self._woken = asyncio.Event()
        self._is_down = False

    def read(self, reference: SecretReference) -> str:
        """Return the value that is kept; raises `SecretUnavailable`, also for a path that is asked for first now."""
        kept = self._kept.get(reference.location)
        if kept is None:
            kept = self._kept[reference.location] = _Kept()
            self._woken.set()
        secret = kept.secret
        if secret is None or self._is_too_old(kept):
            raise SecretUnavailable(reference, kept.reason)
        return _text(reference, secret.values)

    async def fetch(self, reference: SecretReference) -> str:
        """Return the value, read from Vault where it is not kept; for who can wait."""
        kept = self._kept.setdefault(reference.location, _Kept())
        if kept.secret is None:
            await self._refresh(reference.location, kept)
        return self.read(reference)

    async def warm(self) -> None:
        """Read everything that is due, once; what cannot be read says so where it is used."""
        now = self._clock.monotonic()
        due = [(location, kept) for location, kept in self._kept.items() if kept.refresh_at <= now]
        await asyncio.gather(*(self._refresh(location, kept) for location, kept in due))

    async def keep(self) -> None:
        """Keep the token alive and every value fresh, for as long as the caller lets it run."""
        while True:
            self._woken.clear()
            await self._renew_token()
            await self.warm()
            await self._sleep_until_due()

    async def close(self) -> None:
        """End what is being read; a thread that still waits for Vault is left to its time-out."""
        reading = [kept.refreshing for kept in self._kept.values() if kept.refreshing is not None]
        for task in reading:
            task.cancel()
        if reading:
            await asyncio.wait(reading)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _sleep_until_due(self) -> None:
        now = self._clock.monotonic()
        waits = [max(0.0, kept.refresh_at - now) for kept in self._kept.values()]
        if (renewal := self._credentials.seconds_to_renewal) is not None:
            waits.append(max(renewal, self._policy.retry_seconds))
        sleeping = asyncio.create_task(self._clock.sleep(min(waits, default=self._policy.fresh_seconds)))
        waking = asyncio.create_task(self._woken.wait())
        try:
            await asyncio.wait({sleeping, waking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            waking.cancel()

    async def _renew_token(self) -> None:
        try:
            await self._credentials.renew()
        except (VaultDownError, VaultRefusedError, SecretUnavailable) as error:
            self._log.warning("vault.token_not_renewed", reason=str(error))

    async def _refresh(self, location: str, kept: _Kept) -> None:
        if kept.refreshing is None or kept.refreshing.done():
            kept.refreshing = asyncio.create_task(self._read_anew(location, kept), name="read vault")
        await asyncio.shield(kept.refreshing)

    async def _read_anew(self, location: str, kept: _Kept) -> None:
        try:
            if not await self._extended(kept):
                self._take(kept, await self._asked(location))
        except VaultDownError as error:
            kept.reason = f"Vault at {self._policy.address} {error}"
            kept.refresh_at = self._clock.monotonic() + self._policy.retry_seconds
            self._tell_down(str(error))
        except (VaultRefusedError, SecretUnavailable) as error:
            # Its last value is not good any more: that is what a no means.
            kept.secret, kept.reason = None, str(error)
            kept.refresh_at = self._clock.monotonic() + self._policy.fresh_seconds
            self._log.warning("vault.refused", reference=f"secret://vault/{location}", reason=str(error))
        else:
            self._tell_up()

    async def _asked(self, location: str) -> VaultSecret:
        token = await self._credentials.token()
        try:
            return await self._off_loop(lambda: self._api.read(token, location))
        except VaultRefusedError as error:
            if not error.is_forbidden:
                raise
        # The token may have ended or been revoked: once more with another.
        another = await self._credentials.token(refused=token)
        return await self._off_loop(lambda: self._api.read(another, location))

    async def _extended(self, kept: _Kept) -> bool:
        """Renew the lease of a secret that was made for this reader: reading it again would make another."""
        secret = kept.secret
        if secret is None or not (secret.lease_id and secret.renewable) or self._is_too_old(kept):
            return False
        token = await self._credentials.token()
        try:
            seconds = await self._off_loop(lambda: self._api.renew_lease(token, secret.lease_id))
        except VaultRefusedError:
            return False
        if seconds < secret.lease_seconds / 2:
            return False
        self._confirm(kept, seconds)
        return True

    def _take(self, kept: _Kept, secret: VaultSecret) -> None:
        kept.secret = secret
        self._confirm(kept, secret.lease_seconds if secret.lease_id else None)

    def _confirm(self, kept: _Kept, lease_seconds: float | None) -> None:
        now = self._clock.monotonic()
        kept.confirmed_at = now
        if lease_seconds is None:
            kept.refresh_at, kept.ends_at = now + self._policy.fresh_seconds, None
        else:
            kept.refresh_at, kept.ends_at = now + lease_seconds * RENEW_AT, now + lease_seconds

    def _is_too_old(self, kept: _Kept) -> bool:
        now = self._clock.monotonic()
        if kept.ends_at is not None:
            return now >= kept.ends_at
        return now - kept.confirmed_at >= self._policy.fresh_seconds + self._policy.stale_seconds

    async def _off_loop(self, ask: Callable[[], T]) -> T:
        """Run what blocks on a thread; one that outlasts its deadline is left behind."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, ask)
        try:
            return await asyncio.wait_for(running, self._policy.call_seconds)
        except TimeoutError:
            raise VaultDownError("did not answer in time") from None

    def _tell_down(self, reason: str) -> None:
        if not self._is_down:
            self._is_down = True
            self._log.warning("vault.down", address=self._policy.address, reason=reason)

    def _tell_up(self) -> None:
        if self._is_down:
            self._is_down = False
            self._log.info("vault.up", address=self._policy.address)


def _text(reference: SecretReference, values: Mapping[str, Any]) -> str:
    key = reference.key or ""
    if key not in values:
        raise SecretUnavailable(reference, f"there is no key {key} in it; its keys can be listed in Vault")
    value = values[key]
    if not isinstance(value, str):
        raise SecretUnavailable(reference, f"its key {key} holds no text; store the secret as text")
    if not value:
        raise SecretUnavailable(reference, "it is empty; give it a value")
    return value
