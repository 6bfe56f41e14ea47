"""Tickets: a browser's EventSource cannot send a header, so it brings one of these."""

import secrets

from airboss.domain.errors import AirbossError
from airboss.domain.principals import Principal
from airboss.ports.clock import Clock

TICKET_SECONDS = 30.0
_MAX_OPEN = 10_000


class Tickets:
    """Each is good once, for 30 s, on this node."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: dict[str, tuple[Principal, float]] = {}

    def issue(self, principal: Principal) -> tuple[str, int]:
        """Return a ticket and when it expires, in milliseconds."""
        now = self._clock.monotonic()
        self._drop_expired(now)
        if len(self._open) >= _MAX_OPEN:
            raise AirbossError(
                "too_many_subscribers", "too many tickets are open", retry_after_seconds=int(TICKET_SECONDS)
            )
        ticket = secrets.token_urlsafe(32)
        self._open[ticket] = (principal, now + TICKET_SECONDS)
        return ticket, self._clock.now_ms() + round(TICKET_SECONDS * 1000)

    def redeem(self, ticket: str) -> Principal:
        """Return who took the ticket; raises `unauthenticated`, or `token_expired` where its token ran out meanwhile."""
        principal, expires = self._open.pop(ticket, (None, 0.0))
        if principal is None or expires <= self._clock.monotonic():
            raise AirbossError(
                "unauthenticated", "the ticket is unknown, used or older than 30 s; take a new one"
            )
        seconds_left = principal.seconds_left(self._clock.now_ms())
        if seconds_left is not None and seconds_left <= 0:
            raise AirbossError("token_expired", "the token that took the ticket has expired; get a new one")
        return principal

    def _drop_expired(self, now: float) -> None:
        # Issued in order, so the expired ones stand first.
        for ticket, (_, expires) in list(self._open.items()):
            if expires > now:
                return
            del self._open[ticket]
