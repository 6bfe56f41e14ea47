"""Settings of what is kept and streamed: `events` and `retention`."""

from pydantic import Field

from airboss.config.section import Section
from airboss.config.values import Capacity, EventBytes, RelayUrl, Seconds


class EventsSettings(Section):
    """The event stream: how long it is kept and how it is delivered."""

    retention_seconds: Seconds = Field(
        604_800, description="Seconds that events are kept for replay: seven days."
    )
    subscriber_buffer: Capacity = Field(
        1_024, description="Events held for one slow reader; beyond it the reader is caught up from storage."
    )
    heartbeat_seconds: Seconds = Field(
        15, description="Seconds between comment lines, shorter than the idle time-out of usual proxies."
    )
    max_bytes: EventBytes = Field(
        16_384, description="Largest event in bytes; what is longer is cut and says so."
    )
    relay_url: RelayUrl | None = Field(
        None,
        repr=False,  # it may embed a password
        description="Where nodes tell each other of new events, like redis://host; null: this node alone.",
    )


class RetentionSettings(Section):
    """How long finished work is kept."""

    jobs_seconds: Seconds = Field(
        604_800, description="Seconds that a job is kept after its end: seven days."
    )
