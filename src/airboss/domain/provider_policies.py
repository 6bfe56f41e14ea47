"""Small frozen policies: how carefully a provider is called."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a provider is left alone; rates are shares from 0 to 1, and each opens the breaker when reached."""

    window_calls: int
    minimum_calls: int
    failure_rate: float
    slow_call_seconds: float
    slow_rate: float
    open_seconds: float
    half_open_calls: int


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a call is made again; `max_attempts` counts the first, `budget_ratio` is retries per call."""

    max_attempts: int
    base_seconds: float
    cap_seconds: float
    budget_ratio: float
    budget_floor_per_10_seconds: float


@dataclass(frozen=True, slots=True)
class TimeoutPolicy:
    """How long a call may take: to connect, for one attempt with its stream, and with all retries."""

    connect_seconds: float
    attempt_seconds: float
    total_seconds: float


@dataclass(frozen=True, slots=True)
class CallLimitPolicy:
    """How many calls run at once, and how many start per minute; None is no limit."""

    max_concurrent_calls: int
    requests_per_minute: int | None
