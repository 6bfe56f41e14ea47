"""When a provider is spoken to natively, and where it then is."""

from importlib import metadata
from typing import Any

import pytest
from tests.support.call_bench import provider_spec
from tests.support.clock import FakeClock
from tests.support.nodes import RecordingLog

from airboss.domain.providers import ProviderApi, ProviderKind
from airboss.providers.anthropic_native.choice import wire_of
from airboss.providers.connection import ProviderConnection

CHAT, RESPONSES = ProviderApi.CHAT_COMPLETIONS, ProviderApi.RESPONSES


def install(monkeypatch: pytest.MonkeyPatch, version: str | None) -> None:
    def installed(_: str) -> str:
        if version is None:
            raise metadata.PackageNotFoundError
        return version

    monkeypatch.setattr(metadata, "version", installed)


def connection(base_url: Any = None, **fields: Any) -> tuple[ProviderConnection, RecordingLog]:
    log = RecordingLog()
    spec = provider_spec(base_url, **{"kind": ProviderKind.ANTHROPIC, **fields})
    return ProviderConnection(spec, lambda _: "key", FakeClock(), log), log


@pytest.mark.parametrize(
    ("version", "kind", "api", "wire"),
    [
        ("2.12.0", ProviderKind.ANTHROPIC, CHAT, "messages"),
        ("2.99", ProviderKind.ANTHROPIC, CHAT, "messages"),
        (None, ProviderKind.ANTHROPIC, CHAT, "chat_completions"),
        ("0.84.0", ProviderKind.ANTHROPIC, CHAT, "chat_completions"),
        ("3.0.0", ProviderKind.ANTHROPIC, CHAT, "chat_completions"),
        ("2.12.0", ProviderKind.ANTHROPIC, RESPONSES, "responses"),
        ("2.12.0", ProviderKind.OPENAI_COMPATIBLE, CHAT, "chat_completions"),
        ("2.12.0", ProviderKind.OPENAI, RESPONSES, "responses"),
    ],
)
def test_the_extra_makes_the_kind_anthropic_native(
    monkeypatch: pytest.MonkeyPatch, version: str | None, kind: ProviderKind, api: ProviderApi, wire: str
) -> None:
    install(monkeypatch, version)
    assert wire_of(provider_spec("", kind=kind, api=api)) == wire


@pytest.mark.parametrize(
    ("base_url", "native", "compatible"),
    [
        (None, "https://api.anthropic.com/v1", "https://api.anthropic.com/v1"),
        ("http://gate/anthropic", "http://gate/anthropic/v1", "http://gate/anthropic"),
        ("http://gate/anthropic/v1/", "http://gate/anthropic/v1", "http://gate/anthropic/v1"),
    ],
)
def test_the_address_may_leave_the_version_out(
    monkeypatch: pytest.MonkeyPatch, base_url: str | None, native: str, compatible: str
) -> None:
    install(monkeypatch, "2.12.0")
    assert connection(base_url)[0].base_url == native
    install(monkeypatch, None)
    assert connection(base_url)[0].base_url == compatible


def test_the_log_says_which_wire_is_spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "2.12.0")
    assert connection()[1].entries == [("info", "provider.wire", {"provider": "faulty", "wire": "messages"})]
    assert connection(kind=ProviderKind.OPENAI)[1].entries == []
