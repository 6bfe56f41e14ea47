"""Secrets in Vault, read through hvac from a stand-in that speaks the documented API."""

import asyncio
import time
import traceback
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.nodes import RecordingLog
from tests.support.vault_stand_in import ROLE_ID, SECRET_ID, VaultStandIn, vault_stand_in

from airboss.domain.policies import VaultPolicy
from airboss.security.secrets import SecretReference, SecretUnavailable
from airboss.security.vault.kept import VaultSecrets

KEY = SecretReference.parse("secret://vault/kv/team/app#api_key")
CANARY = "canary-of-vault-1"
FRESH, STALE, RETRY = 30.0, 600.0, 5.0
PATH = "kv/data/team/app"


class Bench:
    """The stand-in, the secrets that are read from it, and what the settings' own references hold."""

    def __init__(self, vault: VaultStandIn, clock: FakeClock) -> None:
        self.vault = vault
        self.clock = clock
        self.log = RecordingLog()
        self.local = {"token": "hvs.given", "role_id": ROLE_ID, "secret_id": SECRET_ID}

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(level, event) for level, event, _ in self.log.entries]

    def secrets(self, *, role: bool = False, **policy: Any) -> VaultSecrets:
        made = VaultPolicy(
            self.vault.address,
            None if role else "token",
            "role_id",
            "secret_id",
            frozenset({KEY.location}),
            **policy,
        )
        return VaultSecrets(made, read_secret=self.local.__getitem__, clock=self.clock, log=self.log)

    @asynccontextmanager
    async def kept(self, **policy: Any) -> AsyncIterator[VaultSecrets]:
        """Secrets that are kept fresh, as the server does it."""
        secrets = self.secrets(**policy)
        await secrets.warm()
        keeping = asyncio.create_task(secrets.keep())
        try:
            yield secrets
        finally:
            self.vault.faults.answering.set()
            keeping.cancel()
            await asyncio.wait([keeping])
            await secrets.close()

    async def later(self, seconds: float) -> None:
        """Let time pass, and wait until the keeper has done what it does about that and sleeps again."""
        await self.clock.anyone_sleeps()
        self.clock.advance(seconds)
        await self.clock.anyone_sleeps()


def served(secrets: VaultSecrets, reference: SecretReference = KEY) -> str | None:
    try:
        return secrets.read(reference)
    except SecretUnavailable:
        return None


def reason(secrets: VaultSecrets, reference: SecretReference = KEY) -> str:
    with pytest.raises(SecretUnavailable) as caught:
        secrets.read(reference)
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    text = str(caught.value)
    assert text.startswith(f"{reference}: ")
    return text.removeprefix(f"{reference}: ")


@pytest.fixture
def bench() -> Iterator[Bench]:
    clock = FakeClock()
    with vault_stand_in(clock.monotonic) as vault:
        vault.secrets["kv/team/app"] = {"api_key": CANARY, "number": 5, "empty": ""}
        vault.secrets["old/app"] = {"api_key": "of version 1"}
        vault.add_token("hvs.given")
        yield Bench(vault, clock)


async def test_a_value_is_read_once_and_served_without_asking_again(bench: Bench) -> None:
    async with bench.kept() as secrets:
        assert [secrets.read(KEY) for _ in range(100)] == [CANARY] * 100
        assert bench.vault.asked[PATH] == 1


async def test_both_versions_of_the_key_value_engine_are_read(bench: Bench) -> None:
    async with bench.kept() as secrets:
        old = SecretReference.parse("secret://vault/old/app#api_key")
        assert await secrets.fetch(old) == "of version 1"
        assert bench.vault.asked["old/app"] == 1


@pytest.mark.parametrize("status", [403, 404])
async def test_both_versions_are_read_where_vault_does_not_tell_its_mounts(bench: Bench, status: int) -> None:
    bench.vault.mounts_status = status
    async with bench.kept() as secrets:
        assert await secrets.fetch(KEY) == CANARY
        old = SecretReference.parse("secret://vault/old/app#api_key")
        assert await secrets.fetch(old) == "of version 1"


async def test_an_app_role_logs_in_and_its_token_is_used_for_all(bench: Bench) -> None:
    async with bench.kept(role=True) as secrets:
        assert secrets.read(KEY) == CANARY
        await bench.later(FRESH + 1)
        assert bench.vault.asked[PATH] == 2
        assert bench.vault.asked["auth/approle/login"] == 1


async def test_a_rotated_value_is_picked_up(bench: Bench) -> None:
    async with bench.kept() as secrets:
        bench.vault.secrets["kv/team/app"] = {"api_key": "rotated"}
        await bench.later(FRESH - 1)
        assert secrets.read(KEY) == CANARY
        await bench.later(1)
        assert served(secrets) == "rotated"


async def test_many_who_ask_first_share_one_read(bench: Bench) -> None:
    secrets = bench.secrets()
    values = await asyncio.gather(*(secrets.fetch(KEY) for _ in range(50)))
    assert set(values) == {CANARY}
    assert bench.vault.asked[PATH] == 1
    await secrets.close()


async def test_a_path_that_no_setting_names_is_read_when_it_is_asked_for(bench: Bench) -> None:
    other = SecretReference.parse("secret://vault/kv/other#api_key")
    bench.vault.secrets["kv/other"] = {"api_key": "of the other"}
    async with bench.kept() as secrets:
        assert reason(secrets, other) == "it was not read from Vault yet; try again in a moment"
        await asyncio.to_thread(bench.vault.wait_asked, "kv/data/other", 1)
        assert await secrets.fetch(other) == "of the other"


@pytest.mark.parametrize("fault", ["sealed", "status-500", "status-429", "redirect", "garbage", "gone"])
async def test_while_vault_cannot_answer_the_last_value_is_served_for_a_time(
    bench: Bench, fault: str
) -> None:
    async with bench.kept() as secrets:
        faults = bench.vault.faults
        match fault:
            case "sealed":
                faults.sealed = True
            case "redirect":
                faults.status = 307
            case "garbage":
                faults.status, faults.body = 200, b"<html>canary</html>"
            case "gone":
                assert bench.vault._server is not None
                bench.vault._server.socket.close()
            case _:
                faults.status = int(fault.removeprefix("status-"))
        await bench.later(FRESH + 1)
        await bench.clock.someone_sleeps(RETRY)
        assert secrets.read(KEY) == CANARY
        assert ("warning", "vault.down") in bench.told
        bench.clock.step_monotonic(STALE)
        assert "Vault at http://127.0.0.1" in reason(secrets)
        if fault != "gone":
            bench.vault.faults.sealed, bench.vault.faults.status = False, None
            await bench.later(RETRY)
            assert served(secrets) == CANARY
            assert ("info", "vault.up") in bench.told


async def test_a_vault_that_says_no_ends_the_last_value_at_once(bench: Bench) -> None:
    async with bench.kept() as secrets:
        bench.vault.denied.add("kv/team/app")
        await bench.later(FRESH + 1)
        assert served(secrets) is None
        assert reason(secrets) == "Vault denies access with the token of token"
        assert ("warning", "vault.refused") in bench.told


async def test_a_deleted_secret_is_not_served(bench: Bench) -> None:
    async with bench.kept() as secrets:
        bench.vault.deleted.add("kv/team/app")
        await bench.later(FRESH + 1)
        assert served(secrets) is None
        assert reason(secrets) == "there is nothing under its path, or its newest version is deleted"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("secret://vault/kv/team/app#gone", "there is no key gone in it; its keys can be listed in Vault"),
        ("secret://vault/kv/team/app#number", "its key number holds no text; store the secret as text"),
        ("secret://vault/kv/team/app#empty", "it is empty; give it a value"),
    ],
)
async def test_a_key_that_is_no_text_says_so(bench: Bench, text: str, told: str) -> None:
    async with bench.kept() as secrets:
        assert reason(secrets, SecretReference.parse(text)) == told


async def test_a_vault_that_hangs_blocks_nobody(bench: Bench) -> None:
    async with bench.kept(call_seconds=0.2) as secrets:
        bench.vault.faults.answering.clear()
        longest, before = 0.0, time.perf_counter()
        passing = asyncio.create_task(bench.later(FRESH + 1))
        while not passing.done():
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now
            assert secrets.read(KEY) == CANARY
        assert bench.vault.asked[PATH] + bench.vault.asked["sys/internal/ui/mounts/kv/team/app"] == 3
        assert ("warning", "vault.down") in bench.told
        assert longest < 0.1


async def test_a_vault_that_is_away_at_the_start_is_read_when_it_is_back(bench: Bench) -> None:
    bench.vault.faults.sealed = True
    async with bench.kept() as secrets:
        assert "is sealed or in maintenance" in reason(secrets)
        bench.vault.faults.sealed = False
        await bench.later(RETRY)
        assert served(secrets) == CANARY


async def test_a_token_is_renewed_before_it_ends(bench: Bench) -> None:
    token = bench.vault.add_token("hvs.given", 90.0)
    async with bench.kept() as secrets:
        for _ in range(20):
            await bench.later(10.0)
            assert secrets.read(KEY) == CANARY
        assert bench.clock.monotonic() < token.ends_at
        assert bench.vault.asked["auth/token/renew-self"] >= 2


async def test_an_app_roles_token_that_is_worn_out_is_followed_by_a_new_login(bench: Bench) -> None:
    bench.vault.token_seconds, bench.vault.token_renewable = 60.0, False
    async with bench.kept(role=True) as secrets:
        await bench.later(41.0)
        assert bench.vault.asked["auth/approle/login"] == 2
        assert secrets.read(KEY) == CANARY


async def test_a_token_that_was_revoked_is_followed_by_a_new_login(bench: Bench) -> None:
    async with bench.kept(role=True) as secrets:
        bench.vault.tokens.clear()
        bench.vault.secrets["kv/team/app"] = {"api_key": "behind the new token"}
        await bench.later(FRESH + 1)
        assert served(secrets) == "behind the new token"
        assert bench.vault.asked["auth/approle/login"] == 2


async def test_a_given_token_that_was_replaced_is_read_anew(bench: Bench) -> None:
    async with bench.kept() as secrets:
        bench.vault.tokens.clear()
        bench.vault.add_token("hvs.replaced")
        bench.local["token"] = "hvs.replaced"
        bench.vault.secrets["kv/team/app"] = {"api_key": "behind the new token"}
        await bench.later(FRESH + 1)
        assert served(secrets) == "behind the new token"


async def test_a_login_that_is_refused_names_the_references_and_no_value(bench: Bench) -> None:
    bench.local["secret_id"] = "canary-secret-id"
    async with bench.kept(role=True) as secrets:
        assert reason(secrets) == "Vault refuses the login with role_id and secret_id"
        assert "canary" not in repr(bench.log.entries)


async def test_the_lease_of_a_credential_is_renewed_and_not_another_one_made(bench: Bench) -> None:
    made = SecretReference.parse("secret://vault/database/creds/app#password")
    async with bench.kept() as secrets:
        first = await secrets.fetch(made)
        for _ in range(4):
            await bench.later(41.0)
        assert secrets.read(made) == first
        assert bench.vault.asked["sys/leases/renew"] >= 3


async def test_a_lease_that_cannot_be_renewed_is_followed_by_another_credential(bench: Bench) -> None:
    bench.vault.lease_renewable = False
    made = SecretReference.parse("secret://vault/database/creds/app#password")
    async with bench.kept() as secrets:
        first = await secrets.fetch(made)
        await bench.later(41.0)
        second = secrets.read(made)
        assert second != first
        assert second.startswith("password-")


async def test_a_credential_is_not_served_beyond_its_lease(bench: Bench) -> None:
    made = SecretReference.parse("secret://vault/database/creds/app#password")
    async with bench.kept() as secrets:
        await secrets.fetch(made)
        bench.vault.faults.sealed = True
        await bench.later(61.0)
        assert served(secrets, made) is None


async def test_the_environment_changes_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("VAULT_ADDR", "http://127.0.0.1:1"),
        ("VAULT_TOKEN", "hvs.other"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("http_proxy", "http://127.0.0.1:1"),
        ("VAULT_NAMESPACE", "other"),
    ):
        monkeypatch.setenv(name, value)
    async with bench.kept(role=True) as secrets:
        assert secrets.read(KEY) == CANARY


async def test_a_redirect_is_not_followed_with_the_token(bench: Bench) -> None:
    with vault_stand_in(bench.clock.monotonic) as other:
        other.secrets, other.tokens = bench.vault.secrets, bench.vault.tokens
        bench.vault.faults.status, bench.vault.faults.location = 307, other.address
        async with bench.kept() as secrets:
            assert "name the active node's address" in reason(secrets)
        assert not other.asked
