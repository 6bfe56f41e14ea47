"""An agent as it was configured."""

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property


class OnInterrupt(StrEnum):
    """What becomes of a running job after a crash or a drain."""

    RESUME = "resume"
    RESTART = "restart"
    FAIL = "fail"


@dataclass(frozen=True)
class AgentSpec:
    """One agent of the settings; times in seconds."""

    name: str
    provider: str
    model: str
    instructions: str
    tools: tuple[str, ...]
    mcp_servers: tuple[str, ...]
    handoffs: tuple[str, ...]
    timeout_seconds: float
    max_turns: int
    max_concurrent_jobs: int | None
    max_attempts: int
    retry_on: tuple[str, ...]
    retry_delay_seconds: float
    on_interrupt: OnInterrupt

    @cached_property
    def revision(self) -> str:
        """A hash of the settings: two jobs with the same one ran the same agent."""
        text = json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]
