"""How long to wait before a call is made again, and whether that is worth it."""

from collections.abc import Callable

from airboss.domain.provider_policies import RetryPolicy

# Beyond it any base is longer than any cap, and a power of two would outgrow a float.
_MAX_DOUBLINGS = 64


class RetryWait:
    """Exponential waits with full jitter, unless the provider says how long.

    Source: "Exponential Backoff And Jitter", AWS Architecture Blog: full jitter needs the fewest calls.
    `random_unit` returns a number from 0 up to, and without, 1.
    """

    def __init__(self, policy: RetryPolicy, random_unit: Callable[[], float]) -> None:
        self._base_seconds = policy.base_seconds
        self._cap_seconds = policy.cap_seconds
        self._random_unit = random_unit

    def is_worth_it(self, retry_after_seconds: float | None, left_seconds: float) -> bool:
        """Tell whether the wait fits the cap and leaves some of the call's time."""
        asked_seconds = retry_after_seconds or 0.0
        return asked_seconds <= self._cap_seconds and asked_seconds < left_seconds

    def seconds(self, attempts: int, retry_after_seconds: float | None, left_seconds: float) -> float:
        """Return the wait after so many attempts; call it only where it `is_worth_it`.

        A `Retry-After` is waited for exactly. One of 0, such as a date that is past, is no hint: from wrong
        clocks it comes to all callers at once, and jitter is what spreads them.
        """
        if retry_after_seconds:
            return retry_after_seconds
        doublings = min(max(0, attempts - 1), _MAX_DOUBLINGS)
        ceiling = min(self._cap_seconds, self._base_seconds * 2.0**doublings, left_seconds)
        return self._random_unit() * max(0.0, ceiling)
