"""What can go wrong with a call to a provider, and what follows from it."""

from dataclasses import dataclass

from airboss.domain.errors import JobFailure

_REQUEST_TIMEOUT, _TOO_MANY_REQUESTS, _SERVER_ERRORS, _CLIENT_ERRORS = 408, 429, 500, 400
_UNAUTHENTICATED = frozenset({401, 403})


@dataclass(slots=True)
class ProviderFault(Exception):  # noqa: N818 - a fault of theirs, told as a failure of the job
    """One failed attempt; `reason` is our own words, never the provider's.

    `is_retryable` holds only while no output went out; `counts` tells whether the breaker counts it.
    """

    code: str
    reason: str
    is_retryable: bool = False
    counts: bool = True
    retry_after_seconds: float | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}"

    def to_failure(self, provider: str) -> JobFailure:
        details = {"provider": provider}
        return JobFailure(self.code, f"provider '{provider}' {self.reason}", details)


def fault_of_status(status: int, retry_after_seconds: float | None) -> ProviderFault:
    """Return what an HTTP status other than 200 means."""
    if status in _UNAUTHENTICATED:
        return ProviderFault("provider_auth", f"refused its key (HTTP {status})", counts=False)
    if status == _REQUEST_TIMEOUT:
        return ProviderFault(
            "provider_timeout",
            "timed out (HTTP 408)",
            is_retryable=True,
            counts=False,
            retry_after_seconds=retry_after_seconds,
        )
    if status == _TOO_MANY_REQUESTS:
        return ProviderFault(
            "provider_rate_limited",
            "is rate limited (HTTP 429)",
            is_retryable=True,
            counts=False,
            retry_after_seconds=retry_after_seconds,
        )
    if status >= _SERVER_ERRORS:
        return ProviderFault(
            "provider_unavailable",
            f"is failing (HTTP {status})",
            is_retryable=True,
            retry_after_seconds=retry_after_seconds,
        )
    if status >= _CLIENT_ERRORS:
        return ProviderFault("provider_rejected", f"rejected the request (HTTP {status})", counts=False)
    return bad_answer(f"answered with HTTP {status}")


def bad_answer(reason: str) -> ProviderFault:
    return ProviderFault("provider_bad_answer", reason)


def unreachable(reason: str) -> ProviderFault:
    return ProviderFault("provider_unavailable", reason, is_retryable=True)


def timed_out(reason: str) -> ProviderFault:
    """Return a time-out: what was asked may still be worked on, so it is not asked again."""
    return ProviderFault("provider_timeout", reason)
