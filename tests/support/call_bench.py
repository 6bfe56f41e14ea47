"""Agents on the real loop, SDK and call path, with a provider of the test's own behind them."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.jobs import new_agent, new_job
from tests.support.nodes import RecordingLog
from tests.support.sdk_models import EchoTool, Recorder

from airboss.domain.agents import AgentSpec
from airboss.domain.errors import JobError, JobFailure
from airboss.domain.jobs import Usage
from airboss.domain.provider_policies import BreakerPolicy, CallLimitPolicy, RetryPolicy, TimeoutPolicy
from airboss.domain.providers import ProviderApi, ProviderKind, ProviderSpec
from airboss.loop.sdk_loop import SdkLoop
from airboss.ports.clock import Clock
from airboss.ports.loop import Run, RunReport
from airboss.providers.models import ProviderModels
from airboss.providers.registry import Provider, ProviderRegistry
from airboss.resilience.system_clock import SystemClock
from airboss.tools.registry import ToolRegistry

#: For what should not time out, even where the machine is busy.
TIMEOUTS = TimeoutPolicy(connect_seconds=2.0, attempt_seconds=5.0, total_seconds=8.0)
#: For what should: quick, and far enough apart to tell which of them ended a call.
QUICK = TimeoutPolicy(connect_seconds=0.3, attempt_seconds=0.4, total_seconds=0.8)
RETRY = RetryPolicy(
    max_attempts=3, base_seconds=0.01, cap_seconds=0.3, budget_ratio=0.1, budget_floor_per_10_seconds=1000
)
#: Never opens: most tests are not about the breaker.
NO_BREAKER = BreakerPolicy(
    window_calls=10_000,
    minimum_calls=10_000,
    failure_rate=1.0,
    slow_call_seconds=1000,
    slow_rate=1.0,
    open_seconds=1,
    half_open_calls=1,
)
KEY = "sk-planted-0123456789-never-to-be-seen"


def provider_spec(base_url: str, name: str = "faulty", **fields: Any) -> ProviderSpec:
    spec = ProviderSpec(
        name=name,
        kind=ProviderKind.OPENAI_COMPATIBLE,
        base_url=base_url,
        api_key="secret://env/KEY",
        api=ProviderApi.CHAT_COMPLETIONS,
        limits=CallLimitPolicy(max_concurrent_calls=8, requests_per_minute=None),
        timeouts=TIMEOUTS,
        retry=RETRY,
        breaker=NO_BREAKER,
        max_answer_bytes=1024 * 1024,
        models_ttl_seconds=300,
        fallback=(),
        readiness_probe=False,
    )
    return replace(spec, **fields)


@dataclass
class RecordingWatch:
    """Keeps what it is told of calls."""

    calls: list[tuple[str, str]] = field(default_factory=list)
    throttled: list[tuple[str, str]] = field(default_factory=list)
    breakers: list[tuple[str, str, str]] = field(default_factory=list)

    def on_call(self, provider: str, outcome: str, seconds: float) -> None:
        assert seconds >= 0
        self.calls.append((provider, outcome))

    def on_throttled(self, provider: str, model: str) -> None:
        self.throttled.append((provider, model))

    def on_breaker(self, provider: str, model: str, state: str) -> None:
        self.breakers.append((provider, model, state))

    @property
    def outcomes(self) -> Counter[str]:
        return Counter(outcome for _, outcome in self.calls)


@dataclass
class Outcome:
    """How one run of an agent ended."""

    answer: str | None
    error: JobError | None
    seconds: float
    recorder: Recorder
    report: RunReport

    @property
    def usage(self) -> Usage:
        return self.recorder.usage

    @property
    def code(self) -> str | None:
        return None if self.error is None else self.error.code


@dataclass
class CallBench:
    """Providers and a loop; knows everything that was logged and told."""

    registry: ProviderRegistry
    watch: RecordingWatch
    log: RecordingLog
    clock: Clock
    secrets: dict[str, str]

    @property
    def provider(self) -> Provider:
        return next(iter(self.registry))

    def run_of(self, model: str, **fields: Any) -> tuple[SdkLoop, Run]:
        fields.setdefault("provider", self.provider.spec.name)
        agent: AgentSpec = new_agent(model=model, tools=("test.echo",), **fields)
        loop = SdkLoop(
            agents={agent.name: agent},
            models=ProviderModels(self.registry),
            tools=ToolRegistry([EchoTool()]),
            clock=self.clock,
            log=self.log,
        )
        return loop, Run(new_job(input="the question"), agent, Recorder(), RunReport())

    async def run(self, model: str, **fields: Any) -> Outcome:
        """Run an agent to its end; only a `JobFailure` is an end."""
        loop, run = self.run_of(model, **fields)
        assert isinstance(run.journal, Recorder)
        began = time.monotonic()
        answer, error = None, None
        try:
            answer = await loop.run(run)
        except JobFailure as failure:
            error = failure.error
        return Outcome(answer, error, time.monotonic() - began, run.journal, run.report)

    def start(self, model: str, **fields: Any) -> "asyncio.Task[Outcome]":
        return asyncio.create_task(self.run(model, **fields))

    def assert_nothing_held(self) -> None:
        """No slot, no turn and no probe is lost."""
        for provider in self.registry:
            assert (provider.path.limiter.in_flight, provider.path.limiter.waiting) == (0, 0)


@asynccontextmanager
async def call_bench(
    *specs: ProviderSpec, secrets: Mapping[str, str] | None = None, clock: Clock | None = None
) -> AsyncIterator[CallBench]:
    """Open providers; what was started with them has ended when this is left."""
    before = asyncio.all_tasks()
    known = {"secret://env/KEY": KEY, **(secrets or {})}
    watch, log = RecordingWatch(), RecordingLog()
    clock = clock or SystemClock()
    registry = ProviderRegistry(
        specs, read_secret=lambda reference: known[reference], clock=clock, watch=watch, log=log
    )
    bench = CallBench(registry, watch, log, clock, known)
    try:
        yield bench
        bench.assert_nothing_held()
        assert asyncio.all_tasks() - before == set(), "tasks are left before the connections are closed"
    finally:
        await registry.close()
    assert asyncio.all_tasks() - before == set()
