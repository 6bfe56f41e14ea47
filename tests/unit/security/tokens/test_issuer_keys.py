"""The keys of an issuer that rotates, is away, or answers whatever it likes."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx2
import pytest
import structlog
from tests.support.clock import FakeClock
from tests.support.tokens import AUDIENCE, Forge, private_key, public_jwk, signature

from airboss.domain.errors import AirbossError
from airboss.domain.policies import JwtPolicy
from airboss.security.tokens.issuer_documents import (
    FETCH_SECONDS,
    MAX_DOCUMENT_BYTES,
    IssuerDocuments,
    IssuerUnavailableError,
)
from airboss.security.tokens.issuer_keys import COOL_DOWN_SECONDS, REFRESH_SECONDS, IssuerKeys
from airboss.security.tokens.issuer_urls import is_issuer_url, is_safe
from airboss.security.tokens.public_keys import read_key_set
from airboss.security.tokens.verifier import TokenVerifier

ISSUER = "https://id.example/realm"
KEYS_URL = "https://keys.example/jwks.json"
CONFIGURATION_URL = f"{ISSUER}/.well-known/openid-configuration"
Answer = Callable[[httpx2.Request], httpx2.Response]


def answer_of(
    status: int, content: bytes | str = b"", headers: Mapping[str, str] | None = None
) -> httpx2.Response:
    """Return an answer whose body has yet to be read, as from a network."""
    body = content.encode() if isinstance(content, str) else content
    return httpx2.Response(status, headers=headers, stream=httpx2.ByteStream(body))


class FakeIssuer:
    """Answers as a test says, and counts."""

    def __init__(self) -> None:
        self.numbers = [0]
        self.answer: Answer | None = None
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.configuration: Any = {"issuer": ISSUER, "jwks_uri": KEYS_URL}

    async def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(str(request.url))
        await self.gate.wait()
        if str(request.url) == CONFIGURATION_URL:
            return answer_of(200, json.dumps(self.configuration))
        if self.answer is not None:
            return self.answer(request)
        return answer_of(200, json.dumps({"keys": [public_jwk("ES256", number) for number in self.numbers]}))


def policy_of(jwks_url: str | None) -> JwtPolicy:
    return JwtPolicy("ES256", ISSUER, AUDIENCE, secret=None, public_key_path=None, jwks_url=jwks_url)


@pytest.fixture
def issuer() -> FakeIssuer:
    return FakeIssuer()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def keys(issuer: FakeIssuer, clock: FakeClock) -> AsyncIterator[IssuerKeys]:
    documents = IssuerDocuments(policy_of(KEYS_URL), lambda: httpx2.MockTransport(issuer))
    made = IssuerKeys(
        documents, lambda document: read_key_set(document, "ES256"), clock, structlog.get_logger()
    )
    yield made
    await made.close()


def documents_of(issuer: FakeIssuer, jwks_url: str | None = KEYS_URL) -> IssuerDocuments:
    return IssuerDocuments(policy_of(jwks_url), lambda: httpx2.MockTransport(issuer))


def down(request: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("no", request=request)


async def test_keys_are_fetched_when_the_first_token_needs_them(keys: IssuerKeys, issuer: FakeIssuer) -> None:
    assert not keys.is_usable
    assert await keys.find("key-0") is not None
    assert await keys.find("key-0") is not None
    assert issuer.asked == [KEYS_URL]
    assert keys.is_usable


async def test_all_who_wait_share_one_fetch(keys: IssuerKeys, issuer: FakeIssuer) -> None:
    issuer.gate.clear()
    finding = [asyncio.create_task(keys.find("key-0")) for _ in range(50)]
    await asyncio.sleep(0)
    finding[0].cancel()
    issuer.gate.set()
    found = await asyncio.gather(*finding, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(key is not None and not isinstance(key, BaseException) for key in found[1:])
    assert len(issuer.asked) == 1


async def test_a_new_key_is_found_at_once(keys: IssuerKeys, issuer: FakeIssuer, clock: FakeClock) -> None:
    await keys.find("key-0")
    clock.advance(COOL_DOWN_SECONDS)
    issuer.numbers = [0, 1]
    assert await keys.find("key-1") is not None
    assert len(issuer.asked) == 2


async def test_made_up_keys_ask_the_issuer_once_in_ten_seconds(
    keys: IssuerKeys, issuer: FakeIssuer, clock: FakeClock
) -> None:
    await keys.find("key-0")
    for number in range(1000):
        assert await keys.find(f"made up {number}") is None
    assert len(issuer.asked) == 1
    clock.advance(COOL_DOWN_SECONDS - 0.001)
    assert await keys.find("made up") is None
    assert len(issuer.asked) == 1
    clock.advance(0.001)
    for number in range(1000):
        assert await keys.find(f"made up {number}") is None
    assert len(issuer.asked) == 2


async def test_an_issuer_that_is_away_is_asked_once_in_ten_seconds(
    keys: IssuerKeys, issuer: FakeIssuer, clock: FakeClock
) -> None:
    issuer.answer = down
    for _ in range(100):
        with pytest.raises(AirbossError, match="cannot be had now") as caught:
            await keys.find("key-0")
        assert caught.value.code == "unauthenticated"
    assert len(issuer.asked) == 1
    issuer.answer = None
    clock.advance(COOL_DOWN_SECONDS)
    assert await keys.find("key-0") is not None


async def test_the_last_good_keys_stay_while_the_issuer_is_away(
    keys: IssuerKeys, issuer: FakeIssuer, clock: FakeClock
) -> None:
    keeping = asyncio.create_task(keys.keep())
    await clock.someone_sleeps(REFRESH_SECONDS)
    issuer.answer = down
    clock.advance(REFRESH_SECONDS)
    await clock.someone_sleeps(COOL_DOWN_SECONDS)
    assert await keys.find("key-0") is not None
    assert keys.is_usable
    assert "ConnectError" in keys.detail
    issuer.answer = None
    issuer.numbers = [1]
    clock.advance(COOL_DOWN_SECONDS)
    await clock.someone_sleeps(REFRESH_SECONDS)
    assert await keys.find("key-1") is not None
    keeping.cancel()


async def test_a_key_that_is_withdrawn_is_refused_when_the_keys_are_fetched_again(
    keys: IssuerKeys, issuer: FakeIssuer, clock: FakeClock
) -> None:
    verifier = TokenVerifier(policy_of(KEYS_URL), keys, clock)
    token = Forge("ES256", now=clock.now_ms() // 1000, issuer=ISSUER, key_id="key-0").token()
    keeping = asyncio.create_task(keys.keep())
    await clock.someone_sleeps(REFRESH_SECONDS)
    await verifier.verify(token)
    issuer.numbers = [1]
    clock.advance(REFRESH_SECONDS)
    await clock.someone_sleeps(REFRESH_SECONDS)
    # It was known, and it has not expired: still it is refused.
    with pytest.raises(AirbossError, match="kid"):
        await verifier.verify(token)
    keeping.cancel()


@pytest.mark.parametrize("key_id", [None, "the same"])
async def test_a_key_without_a_name_of_its_own_is_looked_up_when_it_no_longer_fits(
    keys: IssuerKeys, issuer: FakeIssuer, clock: FakeClock, key_id: str | None
) -> None:
    named = {} if key_id is None else {"kid": key_id}

    def publish(number: int) -> None:
        jwk = {name: value for name, value in public_jwk("ES256", number).items() if name != "kid"}
        issuer.answer = lambda request: answer_of(200, json.dumps({"keys": [jwk | named]}))

    def token(number: int) -> str:
        forge = Forge("ES256", now=clock.now_ms() // 1000, issuer=ISSUER, key_id=key_id)
        key = private_key("ES256", number)
        return forge.write(forge.header(), forge.claims(), lambda signed: signature("ES256", key, signed))

    verifier = TokenVerifier(policy_of(KEYS_URL), keys, clock)
    publish(0)
    await verifier.verify(token(0))
    publish(1)
    # A look a moment ago: wrong signatures must not be a way to ask the issuer again and again.
    for _ in range(100):
        with pytest.raises(AirbossError, match="signature"):
            await verifier.verify(token(1))
    assert len(issuer.asked) == 1
    clock.advance(COOL_DOWN_SECONDS)
    await verifier.verify(token(1))
    with pytest.raises(AirbossError, match="signature"):
        await verifier.verify(token(0))
    assert len(issuer.asked) == 2


async def test_the_same_keys_again_forget_nothing(
    keys: IssuerKeys, issuer: FakeIssuer, clock: FakeClock
) -> None:
    await keys.find("key-0")
    generation = keys.generation
    clock.advance(COOL_DOWN_SECONDS)
    await keys.find("made up")
    assert len(issuer.asked) == 2
    assert keys.generation == generation


async def test_a_token_without_an_id_is_for_the_only_key(
    keys: IssuerKeys, issuer: FakeIssuer, clock: FakeClock
) -> None:
    assert await keys.find(None) is not None
    issuer.numbers = [0, 1]
    clock.advance(COOL_DOWN_SECONDS)
    await keys.find("key-1")
    assert await keys.find(None) is None


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda request: answer_of(500), "HTTP 500"),
        (lambda request: answer_of(404), "HTTP 404"),
        (lambda request: answer_of(301, headers={"location": "https://evil.example/"}), "HTTP 301"),
        (lambda request: answer_of(200, "<html>"), "no JSON"),
        (lambda request: answer_of(200, ""), "no JSON"),
        (lambda request: answer_of(200, '{"keys":[],"keys":[]}'), "no JSON"),
        (lambda request: answer_of(200, "[" * 10_000), "no JSON"),
        (lambda request: answer_of(200, b"\xff\xfe"), "no JSON"),
        (lambda request: answer_of(200, b" " * (MAX_DOCUMENT_BYTES + 1)), "more than"),
        (
            lambda request: answer_of(200, b"\x1f\x8b", {"content-encoding": "gzip"}),
            "compressed",
        ),
        (down, "ConnectError"),
    ],
    ids=range(11),
)
async def test_any_other_answer_is_told_in_our_words(issuer: FakeIssuer, answer: Answer, reason: str) -> None:
    issuer.answer = answer
    documents = documents_of(issuer)
    with pytest.raises(IssuerUnavailableError, match=reason):
        await documents.key_set()
    assert issuer.asked == [KEYS_URL]
    await documents.close()


async def test_discovery_finds_the_keys(issuer: FakeIssuer) -> None:
    documents = documents_of(issuer, None)
    assert read_key_set(await documents.key_set(), "ES256")
    assert issuer.asked == [CONFIGURATION_URL, KEYS_URL]
    await documents.close()


@pytest.mark.parametrize(
    "configuration",
    [
        None,
        [],
        {},
        {"issuer": "https://other.example", "jwks_uri": KEYS_URL},
        {"issuer": f"{ISSUER}/", "jwks_uri": KEYS_URL},
        {"jwks_uri": KEYS_URL},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": 7},
        {"issuer": ISSUER, "jwks_uri": ""},
        {"issuer": ISSUER, "jwks_uri": "http://keys.example/jwks.json"},
        {"issuer": ISSUER, "jwks_uri": "http://127.0.0.1/jwks.json"},
        {"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"},
        {"issuer": ISSUER, "jwks_uri": "https://user:pw@keys.example/"},
        {"issuer": ISSUER, "jwks_uri": "https://[::1/"},
    ],
    ids=repr,
)
async def test_a_configuration_of_somebody_else_is_not_followed(
    issuer: FakeIssuer, configuration: Any
) -> None:
    issuer.configuration = configuration
    documents = documents_of(issuer, None)
    with pytest.raises(IssuerUnavailableError, match="configuration names"):
        await documents.key_set()
    assert issuer.asked == [CONFIGURATION_URL]
    await documents.close()


async def test_an_issuer_that_hangs_is_given_up(issuer: FakeIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airboss.security.tokens.issuer_documents.FETCH_SECONDS", 0.05)
    issuer.gate.clear()
    documents = documents_of(issuer)
    with pytest.raises(IssuerUnavailableError, match=r"no answer within 0.05 s"):
        await documents.key_set()
    assert FETCH_SECONDS <= 5
    await documents.close()


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://id.example/keys", True),
        ("http://127.0.0.1:9000/keys", True),
        ("http://[::1]/keys", True),
        ("http://localhost/keys", True),
        ("http://id.example/keys", False),
        ("http://127.0.0.1.evil.example/", False),
        ("http://localhost.evil.example/", False),
        ("http://0x7f000001/", False),
        ("https://user@id.example/", False),
        ("ftp://id.example/", False),
        ("https://", False),
        ("airboss", False),
        ("https://[::1", False),
    ],
)
def test_keys_come_by_https_or_from_this_machine(url: str, safe: bool) -> None:
    assert is_safe(url) is safe


def test_an_issuer_that_is_a_name_cannot_be_asked() -> None:
    assert is_issuer_url("https://id.example/realm")
    assert not is_issuer_url("airboss")
    assert not is_issuer_url("https://id.example/?realm=1")
