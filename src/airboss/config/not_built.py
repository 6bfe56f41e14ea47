"""Settings of the contract that this version knows and does not serve yet: no start is better than a silent gap."""

from collections.abc import Iterator

from airboss.config.findings import Finding
from airboss.config.sections import Sections

_POSTGRES = "this version of Airboss has no PostgreSQL yet: leave it out"


def not_built(settings: Sections) -> Iterator[Finding]:
    """Yield everything that the settings ask for in vain."""
    if (settings.storage.url or "").startswith("postgresql://"):
        yield Finding(("storage", "url"), f"{_POSTGRES}, or use sqlite:///FILE or memory://")
    if settings.storage.replica_url is not None:
        yield Finding(("storage", "replica_url"), _POSTGRES)
    if settings.events.relay_url is not None:
        yield Finding(
            ("events", "relay_url"), "this version of Airboss has no relay of events yet: leave it out"
        )
    if settings.telemetry.otlp_endpoint is not None:
        yield Finding(
            ("telemetry", "otlp_endpoint"), "this version of Airboss has no traces yet: leave it out"
        )
