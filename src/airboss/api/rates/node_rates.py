"""Rate limits counted by slowapi in this process."""

import inspect
import logging
import warnings
from collections.abc import Callable
from os import devnull
from typing import Any

from slowapi import Limiter
from slowapi.errors import RateLimitExceeded
from starlette.requests import Request

from airboss.api.rates.callers import caller_key
from airboss.api.rates.rates import Standing, apply, whole_seconds
from airboss.api.rates.windows import SCHEME, BoundedWindows
from airboss.domain.policies import RateKind, RatePolicy
from airboss.ports.clock import Clock

#: Callers and kinds that are kept apart; some 300 bytes each.
MAX_WINDOWS = 50_000

# slowapi asks for the signature with each request, which took a third of its time.
setattr(caller_key, "__signature__", inspect.signature(caller_key))  # noqa: B010 - functions have no such field

# It would write a line, with the caller, for each refusal; the log of requests has one already.
logging.getLogger("slowapi").setLevel(logging.ERROR)


class SettledLimiter(Limiter):
    """slowapi without a configuration of its own: it would read `.env` and RATELIMIT_* variables."""

    def __init__(self, **options: Any) -> None:
        with warnings.catch_warnings(action="ignore"):
            super().__init__(config_filename=devnull, **options)

    def get_app_config(self, key: str, default_value: Any = None) -> Any:  # noqa: ARG002
        return default_value


class NodeRateLimits:
    """Lets slowapi judge each request before its body is read.

    Its decorator stands on an endpoint, which runs after the body was parsed; here it stands on an empty
    function that the route's rule calls.
    """

    def __init__(self, policy: RatePolicy, clock: Clock, *, max_windows: int = MAX_WINDOWS) -> None:
        self._clock = clock
        self._limiter = SettledLimiter(
            key_func=caller_key,
            strategy="fixed-window",
            storage_uri=f"{SCHEME}://",
            storage_options={"clock": clock, "max_windows": max_windows},
        )
        windows = self._limiter.limiter.storage
        assert isinstance(windows, BoundedWindows)  # noqa: S101 - the scheme names it
        self._windows = windows
        self._gates = {kind: self._gate(kind, rate) for kind, rate in policy.rates.items()}

    async def check(self, request: Request, kind: RateKind) -> None:
        gate = self._gates.get(kind)
        if gate is not None:
            apply(self._standing(request, gate), request, kind)

    async def close(self) -> None:
        """Nothing is open."""

    def _standing(self, request: Request, gate: Callable[..., None]) -> Standing:
        # A request that asks for several things is counted for each; slowapi would count it once.
        request.state._rate_limiting_complete = False  # noqa: SLF001 - slowapi's name
        try:
            gate(request=request)
            is_over = False
        except RateLimitExceeded:
            is_over = True
        limit = request.state.view_rate_limit[0].amount
        # What the hit just counted in: asked for by its key, the library composes that twice more.
        count, end = self._windows.latest
        return Standing(limit, max(0, limit - count), whole_seconds(end - self._clock.monotonic()), is_over)

    def _gate(self, kind: RateKind, rate: str) -> Callable[..., None]:
        def gate(request: Request) -> None:
            """Be counted."""

        # Limits are kept by this name: two functions of one name would share theirs.
        gate.__name__ = f"gate_of_{kind.value}"
        decorated: Callable[..., None] = self._limiter.shared_limit(rate, scope=kind.value)(gate)
        return decorated
