"""From the policy of rates to what counts them."""

from airboss.api.rates.rates import NoRateLimits, RateLimits
from airboss.app.late import Late, load_late
from airboss.runtime.runtime import Runtime
from airboss.security.secrets import is_reference


def build_rates(runtime: Runtime) -> RateLimits:
    """Return what counts requests, with nothing imported that is not needed for it."""
    policy = runtime.config.rates
    if not policy.rates:
        return NoRateLimits()
    here: RateLimits = load_late(Late.NODE_RATES).NodeRateLimits(policy, runtime.clock)
    if policy.store_url is None:
        return here
    url = policy.store_url
    shared: RateLimits = load_late(Late.SHARED_RATES).SharedRateLimits(
        policy,
        alone=here,
        read_url=lambda: runtime.read_secret(url) if is_reference(url) else url,
        clock=runtime.clock,
        log=runtime.log,
        count_outage=runtime.metrics.count_rate_store_outage,
    )
    return shared
