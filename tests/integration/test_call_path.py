"""The way of a call to its provider: what it holds, what it gives back, who stands in, what is told."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

import pytest
from agents import ModelSettings
from agents.models.interface import ModelTracing
from tests.support.call_bench import KEY, NO_BREAKER, QUICK, RETRY, CallBench, call_bench, provider_spec
from tests.support.clock import DEADLINE_SECONDS, FakeClock
from tests.support.faulty_provider import Exchange, FaultyProvider, answer, faulty_provider
from tests.support.provider_faults import (
    PROVIDER_TEXT,
    after_words,
    drip_words,
    finishing,
    hang,
    hang_behind_the_headers,
    reset_before_the_first_token,
    slow,
    status,
)
from tests.support.wire_answers import ANSWER, INPUT_TOKENS, OUTPUT_TOKENS, wire_answer

from airboss.domain.errors import JobFailure
from airboss.domain.jobs import AnsweredBy, Usage
from airboss.domain.provider_policies import BreakerPolicy, CallLimitPolicy
from airboss.domain.providers import ProviderApi
from airboss.providers.models import ProviderModels
from airboss.resilience.breaker import BreakerState

ONCE = replace(RETRY, max_attempts=1)
BREAKER = BreakerPolicy(
    window_calls=10,
    minimum_calls=5,
    failure_rate=0.5,
    slow_call_seconds=1000,
    slow_rate=1.0,
    open_seconds=15,
    half_open_calls=2,
)
APIS = tuple(ProviderApi)
in_both_apis = pytest.mark.parametrize("api", APIS)


@pytest.fixture
def provider() -> Iterator[FaultyProvider]:
    with faulty_provider() as running:
        yield running


async def at_gate(exchange: Exchange) -> None:
    await exchange.until_gate()
    await answer(exchange)
    # What was read meanwhile could be the next request: this connection is not used again.
    exchange.writer.close()


def raw_stream(bench: CallBench, model: str) -> AsyncGenerator[Any]:
    """Ask a model as the SDK does, without the SDK around it."""
    (candidate,) = ProviderModels(bench.registry).candidates(bench.provider.spec.name, model)
    stream = candidate.answers.stream_response(
        None,
        "the question",
        ModelSettings(),
        [],
        None,
        [],
        ModelTracing.DISABLED,
        previous_response_id=None,
        conversation_id=None,
        prompt=None,
    )
    return cast("AsyncGenerator[Any]", stream)


# Cancelling, and leaving early.


@in_both_apis
@pytest.mark.parametrize(
    "step", [hang, hang_behind_the_headers, after_words(0, hang), after_words(2, hang), drip_words]
)
async def test_cancelling_closes_the_connection_before_it_returns(
    provider: FaultyProvider, api: ProviderApi, step: Any
) -> None:
    provider.plan("m", step)
    async with call_bench(provider_spec(provider.base_url, api=api)) as bench:
        running = bench.start("m")
        await asyncio.to_thread(provider.wait_called, "m", 1)
        began = time.monotonic()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        await asyncio.to_thread(provider.wait_aborted, "m", 1)
        assert time.monotonic() - began < 1
        bench.assert_nothing_held()
    assert provider.calls("m") == 1


@in_both_apis
async def test_who_stops_reading_leaves_nothing_open(provider: FaultyProvider, api: ProviderApi) -> None:
    provider.plan("m", after_words(2, hang))
    async with call_bench(provider_spec(provider.base_url, api=api)) as bench:
        before = asyncio.all_tasks()
        async with aclosing(raw_stream(bench, "m")) as events:
            async for event in events:
                if event.type == "response.output_text.delta":
                    break
        assert asyncio.all_tasks() == before, "what is left closes later, if at all"
        bench.assert_nothing_held()
        await asyncio.to_thread(provider.wait_aborted, "m", 1)


@in_both_apis
async def test_a_connection_is_used_again_after_a_whole_answer(
    provider: FaultyProvider, api: ProviderApi
) -> None:
    async with call_bench(provider_spec(provider.base_url, api=api)) as bench:
        for _ in range(5):
            assert (await bench.run("text")).answer == ANSWER
            assert (await bench.run("tool")).answer == ANSWER
    assert provider.connections == 1


async def test_a_storm_of_cancellations_loses_nothing(provider: FaultyProvider) -> None:
    chance = random.Random(7)
    steps = [answer, slow(0.02), hang, after_words(1, hang), drip_words, status(500), status(429)]
    steps += [reset_before_the_first_token, hang_behind_the_headers]
    provider.plan("m", *chance.choices(steps, k=500))
    limits = CallLimitPolicy(max_concurrent_calls=8, requests_per_minute=None)
    async with call_bench(provider_spec(provider.base_url, limits=limits)) as bench:
        loop = asyncio.get_running_loop()
        tasks = [bench.start("m") for _ in range(200)]
        for task in tasks:
            loop.call_later(chance.uniform(0, 1.5), task.cancel)
        async with asyncio.timeout(30):
            results = await asyncio.gather(*tasks, return_exceptions=True)
        strange = [each for each in results if isinstance(each, Exception)]
        assert strange == []
        bench.assert_nothing_held()
        await asyncio.to_thread(provider.wait_idle, "m")
        assert provider.most_open("m") <= limits.max_concurrent_calls
        provider.plan("m", answer)
        assert (await bench.run("m")).answer == ANSWER


async def test_cancelled_probes_give_their_places_back(provider: FaultyProvider) -> None:
    clock = FakeClock()
    provider.plan("m", status(500))
    async with call_bench(
        provider_spec(provider.base_url, breaker=BREAKER, retry=ONCE), clock=clock
    ) as bench:
        for _ in range(BREAKER.minimum_calls):
            await bench.run("m")
        clock.advance(BREAKER.open_seconds)
        provider.plan("m", hang)
        for probes in range(1, 6):
            out = [bench.start("m") for _ in range(BREAKER.half_open_calls)]
            called = BREAKER.minimum_calls + BREAKER.half_open_calls * probes
            await asyncio.to_thread(provider.wait_called, "m", called)
            assert (await bench.run("m")).code == "breaker_open"
            for task in out:
                task.cancel()
            await asyncio.wait(out)
        assert provider.calls("m") == BREAKER.minimum_calls + 5 * BREAKER.half_open_calls
        provider.plan("m", answer)
        for _ in range(BREAKER.half_open_calls):
            assert (await bench.run("m")).answer == ANSWER
        assert bench.provider.path.breakers["m"].state is BreakerState.CLOSED


async def late_500(exchange: Exchange) -> None:
    await exchange.pause(0.3)
    await status(500)(exchange)


@in_both_apis
@pytest.mark.parametrize("last", [hang, drip_words])
async def test_the_total_covers_the_retries_too(
    provider: FaultyProvider, api: ProviderApi, last: Any
) -> None:
    timeouts = replace(QUICK, attempt_seconds=6.0, total_seconds=2.0)
    provider.plan("m", late_500, late_500, last)
    async with call_bench(provider_spec(provider.base_url, api=api, timeouts=timeouts)) as bench:
        outcome = await bench.run("m")
        assert outcome.error is not None
        assert outcome.code == "provider_timeout"
        assert outcome.error.message.endswith("within its total of 2 s")
        assert outcome.seconds < timeouts.total_seconds + 1
        assert provider.calls("m") == 3


# The breaker.


async def test_the_breaker_opens_probes_as_configured_and_closes_by_itself(provider: FaultyProvider) -> None:
    clock = FakeClock()
    provider.plan("m", status(503))
    async with call_bench(
        provider_spec(provider.base_url, breaker=BREAKER, retry=ONCE), clock=clock
    ) as bench:
        codes = [(await bench.run("m")).code for _ in range(8)]
        assert codes == ["provider_unavailable"] * BREAKER.minimum_calls + ["breaker_open"] * 3
        assert provider.calls("m") == BREAKER.minimum_calls
        clock.advance(BREAKER.open_seconds - 0.001)
        refused = await bench.run("m")
        assert refused.error is not None
        assert refused.code == "breaker_open"
        assert 0 < refused.error.details["retry_after_seconds"] <= 0.002
        provider.plan("m", at_gate)
        clock.advance(0.001)
        probes = [bench.start("m") for _ in range(5)]
        refused_count = sum([task.code == "breaker_open" for task in await first_done(probes, 3)])
        assert refused_count == 5 - BREAKER.half_open_calls
        await asyncio.to_thread(provider.wait_called, "m", BREAKER.minimum_calls + BREAKER.half_open_calls)
        provider.open_gate()
        answered = [task.result().answer for task in (await asyncio.wait(probes))[0]]
        assert answered.count(ANSWER) == BREAKER.half_open_calls
        assert provider.calls("m") == BREAKER.minimum_calls + BREAKER.half_open_calls
        assert (await bench.run("m")).answer == ANSWER
        assert bench.watch.breakers == [
            ("faulty", "m", "open"),
            ("faulty", "m", "half_open"),
            ("faulty", "m", "closed"),
        ]


async def test_a_probe_is_one_call_where_it_fails_again(provider: FaultyProvider) -> None:
    clock = FakeClock()
    provider.plan("m", status(503))
    breaker = replace(BREAKER, minimum_calls=1)
    retry = replace(RETRY, base_seconds=0)
    async with call_bench(
        provider_spec(provider.base_url, breaker=breaker, retry=retry), clock=clock
    ) as bench:
        assert (await bench.run("m")).code == "provider_unavailable"
        assert provider.calls("m") == retry.max_attempts
        clock.advance(breaker.open_seconds)
        assert (await bench.run("m")).code == "provider_unavailable"
        assert provider.calls("m") == retry.max_attempts + 1
        assert bench.provider.path.breakers["m"].state is BreakerState.OPEN


@in_both_apis
@pytest.mark.parametrize("step", [hang, after_words(2, hang)])
async def test_a_call_that_is_cancelled_is_counted_once(
    provider: FaultyProvider, api: ProviderApi, step: Any
) -> None:
    provider.plan("m", step)
    async with call_bench(provider_spec(provider.base_url, api=api)) as bench:
        running = bench.start("m")
        await asyncio.to_thread(provider.wait_called, "m", 1)
        running.cancel()
        await asyncio.wait([running])
        assert bench.watch.outcomes == {"cancelled": 1}


async def first_done(tasks: list[Any], count: int) -> list[Any]:
    done: set[Any] = set()
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(done) < count:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            done = {task for task in tasks if task.done()}
            if len(done) < count:
                await asyncio.wait(set(tasks) - done, return_when=asyncio.FIRST_COMPLETED)
    return [task.result() for task in done]


@pytest.mark.parametrize(
    "step", [status(400), status(401), status(404), status(429), finishing("content_filter")]
)
async def test_what_is_no_failure_of_theirs_leaves_the_breaker_closed(
    provider: FaultyProvider, step: Any
) -> None:
    provider.plan("m", step)
    async with call_bench(provider_spec(provider.base_url, breaker=BREAKER, retry=ONCE)) as bench:
        for _ in range(BREAKER.window_calls):
            assert (await bench.run("m")).code != "breaker_open"
        assert bench.watch.breakers == []


@pytest.mark.parametrize("step", [hang, status(500), finishing(""), after_words(1, status(500))])
async def test_each_kind_of_failure_opens_the_breaker(provider: FaultyProvider, step: Any) -> None:
    provider.plan("m", step)
    timeouts = replace(QUICK, attempt_seconds=0.1)
    breaker = replace(BREAKER, minimum_calls=2)
    async with call_bench(
        provider_spec(provider.base_url, breaker=breaker, retry=ONCE, timeouts=timeouts)
    ) as bench:
        await bench.run("m")
        await bench.run("m")
        assert (await bench.run("m")).code == "breaker_open"
        assert provider.calls("m") == 2


async def test_a_call_with_its_retries_counts_once(provider: FaultyProvider) -> None:
    provider.plan("m", status(500))
    breaker = replace(BREAKER, minimum_calls=2)
    async with call_bench(provider_spec(provider.base_url, breaker=breaker)) as bench:
        assert [(await bench.run("m")).code for _ in range(3)][-1] == "breaker_open"
        assert provider.calls("m") == 2 * RETRY.max_attempts
        assert bench.watch.outcomes == {"provider_unavailable": 6}


async def test_an_open_breaker_is_told_at_once_though_all_slots_are_taken(provider: FaultyProvider) -> None:
    provider.plan("bad", status(500))
    provider.plan("busy", hang)
    limits = CallLimitPolicy(max_concurrent_calls=1, requests_per_minute=None)
    breaker = replace(BREAKER, minimum_calls=1)
    async with call_bench(
        provider_spec(provider.base_url, breaker=breaker, retry=ONCE, limits=limits)
    ) as bench:
        await bench.run("bad")
        busy = bench.start("busy")
        await asyncio.to_thread(provider.wait_called, "busy", 1)
        async with asyncio.timeout(DEADLINE_SECONDS / 2):
            assert (await bench.run("bad")).code == "breaker_open"
        busy.cancel()
        await asyncio.wait([busy])


# Retries.


async def test_retries_add_little_to_a_dying_provider(provider: FaultyProvider) -> None:
    provider.plan("m", status(503))
    retry = replace(RETRY, base_seconds=0.0, budget_floor_per_10_seconds=3)
    calls = 120
    async with call_bench(provider_spec(provider.base_url, retry=retry), clock=FakeClock()) as bench:
        outcomes = await asyncio.gather(*(bench.run("m") for _ in range(calls)))
    assert {outcome.code for outcome in outcomes} == {"provider_unavailable"}
    assert calls < provider.calls("m") <= calls * (1 + retry.budget_ratio) + 3


async def test_a_retry_after_is_waited_for_exactly(provider: FaultyProvider) -> None:
    clock = FakeClock()
    provider.plan("m", status(429, retry_after=2), answer)
    retry = replace(RETRY, cap_seconds=20)
    async with call_bench(provider_spec(provider.base_url, retry=retry), clock=clock) as bench:
        running = bench.start("m")
        await clock.someone_sleeps(2)
        assert bench.watch.throttled == [("faulty", "m")]
        clock.advance(2)
        assert (await running).answer == ANSWER
    assert bench.watch.outcomes == {"provider_rate_limited": 1, "ok": 1}


async def test_a_retry_is_never_made_after_a_word_went_out(provider: FaultyProvider) -> None:
    async def words_then_reset(exchange: Exchange) -> None:
        await exchange.head()
        await exchange.chunk(exchange.answer.opening, *exchange.answer.words[:2])
        await exchange.until_gate()
        exchange.reset()

    provider.plan("m", words_then_reset, answer)
    async with call_bench(provider_spec(provider.base_url)) as bench:

        async def open_the_gate_at_the_first_word() -> None:
            async for event in raw_stream(bench, "m"):
                if event.type == "response.output_text.delta":
                    provider.open_gate()

        with pytest.raises(JobFailure) as failed:
            await open_the_gate_at_the_first_word()
        assert failed.value.error.code == "provider_bad_answer"
    assert provider.calls("m") == 1


# Who stands in.


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (status(503), "provider_unavailable"),
        (status(429), "provider_rate_limited"),
        (hang, "provider_timeout"),
    ],
)
async def test_the_fallback_answers_while_the_first_is_away(
    provider: FaultyProvider, step: Any, code: str
) -> None:
    with faulty_provider() as second:
        provider.plan("m", step)
        specs = (
            provider_spec(provider.base_url, fallback=("second",), retry=ONCE, timeouts=QUICK),
            provider_spec(second.base_url, "second"),
        )
        async with call_bench(*specs) as bench:
            outcome = await bench.run("m")
        assert outcome.answer == ANSWER
        assert outcome.report.answered_by == AnsweredBy("second", "m")
        assert outcome.usage == Usage(1, INPUT_TOKENS, OUTPUT_TOKENS)
        asked = [data["provider"] for data in outcome.recorder.data("model.called")]
        assert asked == ["faulty", "second"]
        assert bench.watch.calls == [("faulty", code), ("second", "ok")]


async def test_an_open_breaker_leads_to_the_fallback_without_a_call(provider: FaultyProvider) -> None:
    with faulty_provider() as second:
        provider.plan("m", status(500))
        breaker = replace(BREAKER, minimum_calls=1)
        specs = (
            provider_spec(provider.base_url, fallback=("second",), retry=ONCE, breaker=breaker),
            provider_spec(second.base_url, "second"),
        )
        async with call_bench(*specs) as bench:
            for _ in range(3):
                assert (await bench.run("m")).answer == ANSWER
        assert (provider.calls("m"), second.calls("m")) == (1, 3)


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (status(400), "provider_rejected"),
        (status(401), "provider_auth"),
        (finishing(""), "provider_bad_answer"),
        (after_words(2, hang), "provider_timeout"),
    ],
)
async def test_no_fallback_for_what_is_no_absence_or_comes_after_a_word(
    provider: FaultyProvider, step: Any, code: str
) -> None:
    with faulty_provider() as second:
        provider.plan("m", step)
        specs = (
            provider_spec(provider.base_url, fallback=("second",), retry=ONCE, timeouts=QUICK),
            provider_spec(second.base_url, "second"),
        )
        async with call_bench(*specs) as bench:
            assert (await bench.run("m")).code == code
        assert second.calls("m") == 0


async def test_where_all_fail_the_last_failure_is_told(provider: FaultyProvider) -> None:
    with faulty_provider() as second:
        provider.plan("m", status(503))
        second.plan("m", status(429))
        specs = (
            provider_spec(provider.base_url, fallback=("second", "faulty"), retry=ONCE),
            provider_spec(second.base_url, "second"),
        )
        async with call_bench(*specs) as bench:
            outcome = await bench.run("m")
    assert outcome.error is not None
    assert (outcome.code, outcome.error.details["provider"]) == ("provider_rate_limited", "second")
    assert outcome.report.answered_by is None


# Limits.


async def test_no_more_calls_run_at_once_than_configured(provider: FaultyProvider) -> None:
    provider.plan("m", at_gate)
    limits = CallLimitPolicy(max_concurrent_calls=3, requests_per_minute=None)
    async with call_bench(provider_spec(provider.base_url, limits=limits)) as bench:
        running = [bench.start("m") for _ in range(20)]
        await asyncio.to_thread(provider.wait_called, "m", 3)
        assert (bench.provider.path.limiter.in_flight, provider.open("m")) == (3, 3)
        provider.open_gate()
        assert {outcome.answer for outcome in await asyncio.gather(*running)} == {ANSWER}
    assert provider.most_open("m") == 3


async def test_calls_start_at_the_pace_that_is_configured(provider: FaultyProvider) -> None:
    clock = FakeClock()
    limits = CallLimitPolicy(max_concurrent_calls=8, requests_per_minute=60)
    async with call_bench(provider_spec(provider.base_url, limits=limits), clock=clock) as bench:
        running = [bench.start("m") for _ in range(4)]
        for number in range(1, 4):
            await clock.someone_sleeps(1)
            await asyncio.to_thread(provider.wait_called, "m", number)
            assert provider.calls("m") == number
            clock.advance(1)
        assert {outcome.answer for outcome in await asyncio.gather(*running)} == {ANSWER}
    assert provider.calls("m") == 4


# What is told.


@in_both_apis
async def test_usage_is_counted_over_turns_and_retries(provider: FaultyProvider, api: ProviderApi) -> None:
    provider.plan("tool", status(500), answer)
    async with call_bench(provider_spec(provider.base_url, api=api)) as bench:
        outcome = await bench.run("tool")
    assert outcome.usage == Usage(2, 2 * INPUT_TOKENS, 2 * OUTPUT_TOKENS)
    usages = [data["usage"] for data in outcome.recorder.data("model.answered")]
    assert usages == [{"requests": 1, "input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS}] * 2
    reasons = [data["finish_reason"] for data in outcome.recorder.data("model.answered")]
    assert reasons == ["tool_calls", "stop"]


@in_both_apis
async def test_an_answer_cut_by_its_length_says_so(provider: FaultyProvider, api: ProviderApi) -> None:
    provider.plan("m", finishing("length"))
    async with call_bench(provider_spec(provider.base_url, api=api)) as bench:
        outcome = await bench.run("m")
    assert outcome.answer == ANSWER
    assert outcome.recorder.data("model.answered")[0]["finish_reason"] == "length"


async def test_items_that_came_before_an_empty_last_event_are_the_answer(provider: FaultyProvider) -> None:
    """Some servers leave the output out of `response.completed`, having streamed it."""

    async def without_output(exchange: Exchange) -> None:
        whole = exchange.answer
        item = whole.closing.split(b'"output": [')[1].split(b'], "parallel')[0]
        done = b'data: {"type": "response.output_item.done", "output_index": 0, "item": ' + item + b"}\n\n"
        closing = whole.closing.replace(item, b"")
        await exchange.stream(whole.opening, *whole.words, done, closing)

    provider.plan("m", without_output)
    provider.plan("tool", without_output)
    async with call_bench(provider_spec(provider.base_url, api=ProviderApi.RESPONSES)) as bench:
        assert (await bench.run("m")).answer == ANSWER
        outcome = await bench.run("tool")
    assert outcome.answer == ANSWER
    assert outcome.recorder.data("tool.answered")[0]["tool"] == "test.echo"


@in_both_apis
async def test_neither_key_nor_the_providers_words_get_out(
    provider: FaultyProvider, api: ProviderApi
) -> None:
    """The key stands where what is logged of an error ends, so that a cut would leave half of it."""
    said = (f"{PROVIDER_TEXT} " + "x" * (300 - len(PROVIDER_TEXT) - 20) + KEY + " " + KEY).encode()
    provider.plan("m", status(401, said), status(500, said), status(200, said))
    async with call_bench(provider_spec(provider.base_url, api=api, retry=ONCE)) as bench:
        outcomes = [await bench.run("m") for _ in range(3)]
    assert provider.requests[0][0]["authorization"] == f"Bearer {KEY}"
    told = str([outcome.error for outcome in outcomes]) + str([each.recorder.drafts for each in outcomes])
    assert PROVIDER_TEXT not in told
    logged = str(bench.log.entries)
    assert PROVIDER_TEXT in logged, "the log is for operators"
    assert KEY[:10] not in told + logged


@pytest.mark.parametrize("key", ["sk-with\nanother-line", "sk-mit-ümlaut", "sk-\x00"])
async def test_a_key_that_no_header_can_hold_is_told_without_a_call(
    provider: FaultyProvider, key: str
) -> None:
    async with call_bench(provider_spec(provider.base_url), secrets={"secret://env/KEY": key}) as bench:
        outcome = await bench.run("m")
        listed = await bench.provider.catalogue.refresh()
    assert outcome.code == "provider_auth"
    assert listed.error is not None
    assert listed.error.code == "provider_auth"
    assert "sk-" not in str((outcome.error, listed.error, bench.log.entries))
    assert (provider.calls("m"), bench.watch.calls) == (0, [])


async def test_a_key_is_read_anew_for_each_call(provider: FaultyProvider) -> None:
    secrets = {"secret://env/KEY": "first"}
    async with call_bench(provider_spec(provider.base_url), secrets=secrets) as bench:
        await bench.run("m")
        bench.secrets["secret://env/KEY"] = "second"
        await bench.run("m")
    assert [headers["authorization"] for headers, _ in provider.requests] == ["Bearer first", "Bearer second"]


async def test_two_answers_at_once_do_not_mix(provider: FaultyProvider) -> None:
    async def by_name(exchange: Exchange) -> None:
        name = str(exchange.body["model"])
        pieces = [f"{name}{number} " for number in range(50)]
        whole = wire_answer(exchange.api, pieces=pieces)
        await exchange.head()
        for event in (whole.opening, *whole.words, whole.closing, whole.done):
            await exchange.chunk(event)
            await exchange.pause(0)
        await exchange.end_chunks()
        exchange.writer.close()

    names = [f"m{number}" for number in range(8)]
    for name in names:
        provider.plan(name, by_name)
    async with call_bench(provider_spec(provider.base_url, breaker=NO_BREAKER)) as bench:
        outcomes = await asyncio.gather(*(bench.run(name) for name in names))
    for name, outcome in zip(names, outcomes, strict=True):
        assert outcome.answer == "".join(f"{name}{number} " for number in range(50))


async def test_nothing_of_the_environment_is_sent_to_a_provider(
    provider: FaultyProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client library takes organisation, project and headers from there, for one vendor."""
    monkeypatch.setenv("OPENAI_ORG_ID", "org-planted")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-planted")
    monkeypatch.setenv("OPENAI_ADMIN_KEY", "admin-planted")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "x-extra: planted\nauthorization: Bearer planted")
    async with call_bench(provider_spec(provider.base_url)) as bench:
        assert (await bench.run("m")).answer == ANSWER
    (headers, _), *_ = provider.requests
    assert headers["authorization"] == f"Bearer {KEY}"
    assert "planted" not in str({**headers, "authorization": ""})
