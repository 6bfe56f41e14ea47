"""How many event streams each caller holds."""

from collections import Counter
from collections.abc import Callable

from airboss.domain.errors import AirbossError


class SubscriberSlots:
    """Counts streams by caller, up to a limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: Counter[str] = Counter()

    def take(self, caller: str) -> Callable[[], None]:
        """Take a slot and return what gives it back; raises `too_many_subscribers`."""
        if self._held[caller] >= self._limit:
            raise AirbossError(
                "too_many_subscribers",
                f"you hold {self._limit} event streams already; close some",
                details={"max_subscribers_per_caller": self._limit},
                retry_after_seconds=5,
            )
        self._held[caller] += 1

        def give_back() -> None:
            self._held[caller] -= 1
            if not self._held[caller]:
                del self._held[caller]

        return give_back
