"""Settings of logs and traces: `telemetry`."""

from typing import Literal

from pydantic import Field

from airboss.config.section import Section
from airboss.config.values import HttpUrl


class TelemetrySettings(Section):
    """What the server tells about itself."""

    log_format: Literal["auto", "json", "console"] = Field(
        "auto", description="json for machines, console for people; auto: console on a terminal, else json."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severity that is logged; debug is too much for a busy server."
    )
    otlp_endpoint: HttpUrl | None = Field(
        None, description="OTLP/HTTP collector that traces go to; null: none are made."
    )
