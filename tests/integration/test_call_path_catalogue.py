"""The list of a provider's models: asked rarely, by one for all, and told with its age and its error."""

import asyncio
import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.support.call_bench import KEY, QUICK, call_bench, provider_spec
from tests.support.clock import START_MS, FakeClock
from tests.support.faulty_provider import MODELS, Exchange, FaultyProvider, Step, faulty_provider
from tests.support.provider_faults import PROVIDER_TEXT, close, hang, reset, status

from airboss.domain.providers import ProviderKind


@pytest.fixture
def provider() -> Iterator[FaultyProvider]:
    with faulty_provider() as running:
        yield running


def listing(*names: Any) -> Step:
    return document(json.dumps({"object": "list", "data": [{"id": name} for name in names]}).encode())


def document(body: bytes, content_type: str = "application/json", **headers: str) -> Step:
    async def step(exchange: Exchange) -> None:
        await exchange.head(200, content_type, content_length=len(body), **headers)
        await exchange.send(body)

    return step


def at_gate(then: Step) -> Step:
    async def step(exchange: Exchange) -> None:
        await exchange.until_gate()
        await then(exchange)
        exchange.writer.close()

    return step


async def test_it_is_kept_for_its_time_and_sorted(provider: FaultyProvider) -> None:
    clock = FakeClock()
    provider.plan(MODELS, listing("b", "a"), listing("c"))
    async with call_bench(provider_spec(provider.base_url), clock=clock) as bench:
        models = bench.provider.catalogue
        first = await models.models()
        assert (first.models, first.fetched_at_ms, first.age_seconds) == (("a", "b"), START_MS, 0)
        clock.advance(299)
        kept = await models.models()
        assert (kept.models, kept.age_seconds) == (("a", "b"), 299)
        assert provider.calls(MODELS) == 1
        clock.advance(1)
        assert (await models.models()).models == ("c",)
        assert (await models.refresh()).models == ("c",)
    assert provider.calls(MODELS) == 3
    assert provider.requests[0][0]["authorization"] == f"Bearer {KEY}"


async def test_whoever_asks_meanwhile_shares_the_answer(provider: FaultyProvider) -> None:
    provider.plan(MODELS, at_gate(listing("a")))
    async with call_bench(provider_spec(provider.base_url)) as bench:
        models = bench.provider.catalogue
        asking = [asyncio.create_task(models.models()) for _ in range(10)]
        asking += [asyncio.create_task(models.refresh()) for _ in range(10)]
        await asyncio.to_thread(provider.wait_called, MODELS, 1)
        asking[0].cancel()
        provider.open_gate()
        answers = await asyncio.gather(*asking[1:])
        assert {answer.models for answer in answers} == {("a",)}
        assert asking[0].cancelled()
    assert provider.calls(MODELS) == 1


async def test_the_last_list_is_kept_with_its_age_while_the_provider_is_away(
    provider: FaultyProvider,
) -> None:
    clock = FakeClock()
    provider.plan(MODELS, listing("a"), status(503), listing("a", "b"))
    async with call_bench(provider_spec(provider.base_url), clock=clock) as bench:
        models = bench.provider.catalogue
        await models.models()
        clock.advance(400)
        stale = await models.models()
        assert (stale.models, stale.fetched_at_ms, stale.age_seconds) == (("a",), START_MS, 400)
        assert stale.error is not None
        assert stale.error.code == "provider_unavailable"
        fresh = await models.refresh()
        assert (fresh.models, fresh.age_seconds, fresh.error) == (("a", "b"), 0, None)


BAD_LISTS = {
    "html": (document(b"<html>", "text/html"), "provider_bad_answer"),
    "no json": (document(b"{not"), "provider_bad_answer"),
    "empty": (document(b""), "provider_bad_answer"),
    "an object": (document(b"{}"), "provider_bad_answer"),
    "null": (document(b'{"data": null}'), "provider_bad_answer"),
    "texts": (document(b'{"data": ["a"]}'), "provider_bad_answer"),
    "numbers": (document(b'{"data": [1]}'), "provider_bad_answer"),
    "bad utf-8": (document(b'{"data": [{"id": "\xff"}]}'), "provider_bad_answer"),
    "not gzip": (document(b"no gzip", content_encoding="gzip"), "provider_bad_answer"),
    "a bomb": (document(gzip.compress(b"x" * 50_000_000), content_encoding="gzip"), "provider_bad_answer"),
    "20 MB": (document(b'{"data": [' + b" " * 20_000_000), "provider_bad_answer"),
    "a redirect": (status(302, b"", location="http://127.0.0.1:1/"), "provider_bad_answer"),
    "401": (status(401), "provider_auth"),
    "404": (status(404), "provider_rejected"),
    "429": (status(429, retry_after=60), "provider_rate_limited"),
    "500": (status(500), "provider_unavailable"),
    "closed": (close, "provider_unavailable"),
    "reset": (reset, "provider_unavailable"),
    "silence": (hang, "provider_timeout"),
}


@pytest.mark.parametrize("name", BAD_LISTS)
async def test_a_bad_answer_is_told_with_a_code(provider: FaultyProvider, name: str) -> None:
    step, code = BAD_LISTS[name]
    provider.plan(MODELS, step)
    timeouts = QUICK if name == "silence" else replace(QUICK, attempt_seconds=5.0)
    async with call_bench(provider_spec(provider.base_url, timeouts=timeouts)) as bench:
        listed = await bench.provider.catalogue.models()
        await asyncio.to_thread(provider.wait_idle, MODELS)
    assert listed.error is not None
    assert listed.error.code == code
    assert (listed.models, listed.fetched_at_ms, listed.age_seconds) == ((), None, None)
    assert PROVIDER_TEXT not in str(listed)
    assert provider.calls(MODELS) == 1


async def test_closing_ends_what_is_being_fetched(provider: FaultyProvider) -> None:
    provider.plan(MODELS, hang)
    before = asyncio.all_tasks()
    async with call_bench(provider_spec(provider.base_url)) as bench:
        asking = asyncio.create_task(bench.provider.catalogue.models())
        await asyncio.to_thread(provider.wait_called, MODELS, 1)
        asking.cancel()
        await asyncio.wait([asking])
        await bench.registry.close()
        assert asyncio.all_tasks() == before
        await asyncio.to_thread(provider.wait_aborted, MODELS, 1)


async def test_the_offline_provider_lists_its_planner() -> None:
    async with call_bench(provider_spec("http://127.0.0.1:1", kind=ProviderKind.OFFLINE)) as bench:
        listed = await bench.provider.catalogue.models()
    assert (listed.models, listed.error) == (("planner",), None)
