"""Rates: what is a rate, and which there are when nobody says."""

import pytest
from tests.unit.config.conftest import Load, Refusal

from airboss.config.runtime_config import to_runtime_config
from airboss.domain.policies import RateKind, RatePolicy

_JWT = "auth: {mode: jwt}\n"
_USUAL = {RateKind.SPAWN: "600/minute", RateKind.READ: "6000/minute"}


def _policy(load: Load, text: str, tmp_path_factory: pytest.TempPathFactory) -> RatePolicy:
    return to_runtime_config(load(text).settings, {}, tmp_path_factory.mktemp("rates")).rates


@pytest.mark.parametrize(
    ("text", "rates"),
    [
        ("{}", {}),
        (_JWT, _USUAL),
        (_JWT + "limits: {spawn_rate: 5/second}", {**_USUAL, RateKind.SPAWN: "5/second"}),
        ("limits: {read_rate: 7/hour}", {RateKind.READ: "7/hour"}),
    ],
)
def test_rates_are_off_without_authentication_unless_asked_for(
    load: Load, tmp_path_factory: pytest.TempPathFactory, text: str, rates: dict[RateKind, str]
) -> None:
    assert _policy(load, text, tmp_path_factory).rates == rates


@pytest.mark.parametrize(
    "rate", ["0/minute", "-1/minute", "600", "600/day", "600 per minute", "1.5/second", "600/Minute", "a/minute", "10000000000/hour", "6/minute; 9/hour"]
)  # fmt: skip
def test_what_is_no_rate_is_refused_with_an_example(refusal: Refusal, rate: str) -> None:
    (line,) = refusal(f"limits: {{spawn_rate: '{rate}'}}")
    assert "limits.spawn_rate: must be a rate such as 600/minute (per second, minute or hour)" in line


@pytest.mark.parametrize(
    "url", ["redis://", "redis://h:0", "redis://h:99999", "secret://redis/x", "redis:///h"]
)
def test_what_is_no_redis_is_refused(refusal: Refusal, url: str) -> None:
    (line,) = refusal(f"limits: {{store_url: '{url}'}}")
    assert "limits.store_url: must be redis://HOST" in line
