"""One fault, tried once: what came of it, and what the provider saw."""

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass

from tests.support.call_bench import Outcome, call_bench, provider_spec
from tests.support.faulty_provider import FaultyProvider
from tests.support.provider_faults import Fault

from airboss.domain.providers import ProviderApi

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Trial:
    """`calls` and `aborted` are the provider's counts, `outcomes` ours."""

    outcome: Outcome
    calls: int
    aborted: int
    outcomes: Counter[str]
    total_seconds: float


async def trial(provider: FaultyProvider, fault: Fault, api: str, *, tool: bool = False) -> Trial:
    """Run one agent against the fault; fails where anything of the call is left."""
    model = f"{'tool' if tool else 'text'} {next(_numbers)}"
    provider.plan(model, *fault.steps)
    base_url = provider.base_url if fault.address is None else fault.address(provider)
    spec = provider_spec(base_url, api=ProviderApi(api), timeouts=fault.timeouts, retry=fault.retry)
    async with call_bench(spec) as bench:
        outcome = await bench.run(model)
        # Before the pool is closed: the call itself must have closed what it will not use again.
        await asyncio.to_thread(provider.wait_idle, model)
    return Trial(
        outcome,
        provider.calls(model),
        provider.aborted(model),
        bench.watch.outcomes,
        fault.timeouts.total_seconds,
    )
