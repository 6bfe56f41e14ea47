"""What routes ask before they work for a caller, whoever counts."""

import math
from dataclasses import dataclass
from typing import NoReturn, Protocol

from starlette.requests import Request

from airboss.domain.errors import AirbossError
from airboss.domain.policies import RateKind

#: Where in a request's state the headers stand that its answer is given, whichever it is.
RATE_HEADERS = "rate_headers"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a caller has left of a window: requests, and seconds until all of them are back."""

    limit: int
    remaining: int
    reset_seconds: int
    is_over: bool


class RateLimits(Protocol):
    """Counts requests by caller and kind."""

    async def check(self, request: Request, kind: RateKind) -> None:
        """Count the request; raises `rate_limited`, or `storage_unavailable` where nobody can count."""
        ...

    async def close(self) -> None: ...


class NoRateLimits:
    """Everyone may come as fast as they can."""

    async def check(self, request: Request, kind: RateKind) -> None:
        """Let the request pass."""

    async def close(self) -> None:
        """Nothing is open."""


def apply(standing: Standing, request: Request, kind: RateKind) -> None:
    """Leave the headers for the answer; raises `rate_limited` where the caller is too fast."""
    setattr(
        request.state,
        RATE_HEADERS,
        [
            (b"ratelimit-limit", b"%d" % standing.limit),
            (b"ratelimit-remaining", b"%d" % standing.remaining),
            (b"ratelimit-reset", b"%d" % standing.reset_seconds),
        ],
    )
    if standing.is_over:
        _refuse(standing, kind)


def whole_seconds(seconds: float) -> int:
    """Return a number of seconds that is 1 or more, never too early."""
    return max(1, math.ceil(seconds))


def _refuse(standing: Standing, kind: RateKind) -> NoReturn:
    raise AirbossError(
        "rate_limited",
        f"you have made more than {standing.limit} {kind.value} requests in this window;"
        f" try again in {standing.reset_seconds} s",
        details={"limit": standing.limit, "kind": kind.value},
        retry_after_seconds=standing.reset_seconds,
    )
