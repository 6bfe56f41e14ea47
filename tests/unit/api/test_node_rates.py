"""Rates counted by slowapi on one node, on a clock that stands still."""

import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from tests.support.clock import FakeClock

from airboss.api.rates.node_rates import NodeRateLimits
from airboss.api.rates.rates import RATE_HEADERS
from airboss.api.rates.windows import BoundedWindows
from airboss.domain.errors import AirbossError
from airboss.domain.policies import RateKind, RatePolicy
from airboss.domain.principals import Principal, Role

_POLICY = RatePolicy({RateKind.SPAWN: "3/minute", RateKind.READ: "5/hour"}, None, fails_open=True)


def request_of(subject: str) -> Request:
    scope: dict[str, Any] = {"type": "http", "headers": [], "path": "/", "client": ("192.0.2.1", 1)}
    request = Request(scope)
    request.state.principal = Principal(subject, "default", Role.RUN)
    return request


def headers_of(request: Request) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in getattr(request.state, RATE_HEADERS)}


async def test_a_window_counts_down_refuses_and_begins_anew() -> None:
    clock = FakeClock()
    rates = NodeRateLimits(_POLICY, clock)
    for left in (2, 1, 0):
        request = request_of("ann")
        await rates.check(request, RateKind.SPAWN)
        assert headers_of(request) == {
            "ratelimit-limit": "3",
            "ratelimit-remaining": str(left),
            "ratelimit-reset": "60",
        }
    clock.advance(59.5)
    request = request_of("ann")
    with pytest.raises(AirbossError) as refused:
        await rates.check(request, RateKind.SPAWN)
    assert (refused.value.code, refused.value.status) == ("rate_limited", 429)
    assert refused.value.retry_after_seconds == 1
    assert headers_of(request)["ratelimit-remaining"] == "0"
    clock.advance(0.5)
    # What was told as Retry-After is enough.
    await rates.check(request_of("ann"), RateKind.SPAWN)


async def test_kinds_and_callers_are_apart() -> None:
    rates = NodeRateLimits(_POLICY, FakeClock())
    for _ in range(3):
        await rates.check(request_of("ann"), RateKind.SPAWN)
    for _ in range(5):
        await rates.check(request_of("ann"), RateKind.READ)
    for kind in RateKind:
        with pytest.raises(AirbossError):
            await rates.check(request_of("ann"), kind)
        await rates.check(request_of("bob"), kind)


async def test_a_request_that_is_checked_twice_is_counted_twice() -> None:
    rates = NodeRateLimits(_POLICY, FakeClock())
    request = request_of("ann")
    await rates.check(request, RateKind.READ)
    await rates.check(request, RateKind.SPAWN)
    assert headers_of(request)["ratelimit-remaining"] == "2"


async def test_a_kind_without_a_rate_is_not_counted() -> None:
    rates = NodeRateLimits(RatePolicy({RateKind.SPAWN: "1/hour"}, None, fails_open=True), FakeClock())
    for _ in range(10):
        request = request_of("ann")
        await rates.check(request, RateKind.READ)
        assert not hasattr(request.state, RATE_HEADERS)


async def test_slowapi_reads_no_configuration_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_bytes(b"RATELIMIT_ENABLED=false\n\xff\xfe")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RATELIMIT_ENABLED", "")
    monkeypatch.setenv("RATELIMIT_STORAGE_OPTIONS", "x")
    rates = NodeRateLimits(RatePolicy({RateKind.READ: "1/hour"}, None, fails_open=True), FakeClock())
    await rates.check(request_of("ann"), RateKind.READ)
    with pytest.raises(AirbossError):
        await rates.check(request_of("ann"), RateKind.READ)


def test_windows_are_bounded_and_the_oldest_goes_first() -> None:
    clock = FakeClock()
    windows = BoundedWindows(clock=clock, max_windows=1000)
    for number in range(5000):
        assert windows.incr(f"caller-{number}", 60) == 1
    assert windows.get("caller-3999") == 0
    assert windows.get("caller-4000") == 1
    assert windows.reset() == 1000


def test_windows_that_are_over_are_let_go() -> None:
    clock = FakeClock()
    windows = BoundedWindows(clock=clock, max_windows=1000)
    for number in range(500):
        windows.incr(f"caller-{number}", 60)
    clock.advance(60)
    windows.incr("late", 60)
    assert windows.reset() == 1


async def test_memory_stays_where_it_is_however_many_callers_come() -> None:
    rates = NodeRateLimits(_POLICY, FakeClock(), max_windows=1000)
    for number in range(1500):
        await rates.check(request_of(f"caller-{number}"), RateKind.READ)
    tracemalloc.start()
    try:
        for number in range(1500, 6000):
            await rates.check(request_of(f"caller-{number}"), RateKind.READ)
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The thousand that are kept now were all made while it was watched: some 300 bytes each.
    assert grown < 600_000
