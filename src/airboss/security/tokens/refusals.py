"""How a token is refused: what is wrong with it, never a part of it."""

from airboss.domain.errors import AirbossError


def refused(reason: str) -> AirbossError:
    """Return the refusal of a token that proves nothing."""
    return AirbossError("unauthenticated", f"the token is refused: {reason}")
