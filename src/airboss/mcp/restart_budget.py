"""When a server that failed is tried again."""

from dataclasses import dataclass

from airboss.domain.mcp_policies import RestartPolicy
from airboss.ports.clock import Clock


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float
    is_quarantine: bool


class RestartBudget:
    """Counts failures in a row. The first attempt after a quarantine has one try, then the next is longer."""

    def __init__(self, policy: RestartPolicy, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._failures = 0
        self._quarantines = 0
        self._opened_at: float | None = None

    def opened(self) -> None:
        self._opened_at = self._clock.monotonic()

    def failed(self) -> Pause:
        """Count a failure, to open or of what was open, and return how long to leave the server alone."""
        opened_at, self._opened_at = self._opened_at, None
        if opened_at is not None and self._clock.monotonic() - opened_at >= self._policy.stable_seconds:
            self.forget()
        self._failures += 1
        if self._quarantines or self._failures >= self._policy.failures_to_quarantine:
            self._quarantines += 1
            seconds = self._policy.quarantine_seconds * 2 ** (self._quarantines - 1)
            return Pause(min(seconds, self._policy.longest_quarantine_seconds), is_quarantine=True)
        seconds = self._policy.first_pause_seconds * 2 ** (self._failures - 1)
        return Pause(min(seconds, self._policy.longest_pause_seconds), is_quarantine=False)

    def forget(self) -> None:
        """Start anew: a person asked for it, or the server has worked for long."""
        self._failures = 0
        self._quarantines = 0
