"""The sections that settings are made of."""

from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from airboss.config.agents import AgentSettings
from airboss.config.auth import AuthSettings
from airboss.config.events import EventsSettings, RetentionSettings
from airboss.config.limits import LimitsSettings
from airboss.config.mcp import McpSettings
from airboss.config.providers import BUILT_IN_PROVIDERS, ProviderSettings
from airboss.config.server import ServerSettings
from airboss.config.storage import StorageSettings
from airboss.config.telemetry import TelemetrySettings
from airboss.config.tools import ToolsSettings
from airboss.config.values import Name
from airboss.config.vault import SecretsSettings


class Sections(BaseSettings):
    """Every section, each valid by itself."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        hide_input_in_errors=True,
        title="Airboss settings",
    )

    server: ServerSettings = Field(default_factory=ServerSettings, description="The HTTP server.")
    storage: StorageSettings = Field(default_factory=StorageSettings, description="The database.")
    limits: LimitsSettings = Field(default_factory=LimitsSettings, description="How much work is taken on.")
    auth: AuthSettings = Field(default_factory=AuthSettings, description="Who may call.")
    providers: dict[Name, ProviderSettings] = Field(
        default_factory=dict, description="Providers of models; `openai` and `offline` are always there."
    )
    agents: dict[Name, AgentSettings] = Field(
        default_factory=dict, description="Agents by name; none: the built-in ones are there."
    )
    tools: ToolsSettings = Field(default_factory=ToolsSettings, description="The built-in tools.")
    mcp: McpSettings = Field(default_factory=McpSettings, description="MCP servers.")
    secrets: SecretsSettings = Field(
        default_factory=SecretsSettings, description="Where secrets are looked up."
    )
    events: EventsSettings = Field(default_factory=EventsSettings, description="The event stream.")
    retention: RetentionSettings = Field(
        default_factory=RetentionSettings, description="How long jobs are kept."
    )
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings, description="Logs and traces.")

    @field_validator("providers", mode="before")
    @classmethod
    def _with_built_ins(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return dict(given) | {name: _with_kind(name, given.get(name, {})) for name in BUILT_IN_PROVIDERS}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the names are those of the base class
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keep only what is handed in: the process's environment is not read behind the caller's back."""
        return (init_settings,)


def _with_kind(name: str, given: Any) -> Any:
    return {"kind": name, **given} if isinstance(given, dict) else given
