"""Settings of admission: `limits`."""

from typing import Literal

from pydantic import Field

from airboss.config.section import Section
from airboss.config.values import Capacity, Rate, RedisUrl


class LimitsSettings(Section):
    """How much work is taken on, and from whom how fast."""

    max_concurrent_jobs: Capacity = Field(
        16, description="Jobs running at once on this node; the others wait."
    )
    queue_capacity: Capacity = Field(
        1_000,
        description="Due pending jobs at most; beyond it a spawn gets 429. Jobs with run_at in the future do not count.",
    )
    spawn_rate: Rate | None = Field(
        None, description="Spawns per caller, like 600/minute; null: off without auth, 600/minute with it."
    )
    read_rate: Rate | None = Field(
        None, description="Reads per caller, like 6000/minute; null: off without auth, 6000/minute with it."
    )
    store_url: RedisUrl | None = Field(
        None,
        repr=False,  # it may embed a password
        description="Redis that shares the rate limits between nodes, like redis://host, or a secret://… reference to its address; null: each node its own.",
    )
    store_failure: Literal["open", "closed"] = Field(
        "open",
        description="While that Redis is away: open lets each node count on its own, closed refuses with 503.",
    )
