"""Who is told of calls to providers."""

from typing import Protocol


class ProviderWatch(Protocol):
    """Told on the event loop; must be quick."""

    def on_call(self, provider: str, outcome: str, seconds: float) -> None:
        """One HTTP call ended; the outcome is `ok` or the code."""
        ...

    def on_throttled(self, provider: str, model: str) -> None: ...
    def on_breaker(self, provider: str, model: str, state: str) -> None: ...
