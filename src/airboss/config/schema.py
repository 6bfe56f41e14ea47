"""The JSON Schema of the settings, for editors and for `airboss config schema`."""

from typing import Any

from airboss.config.settings import AppSettings

JSON_SCHEMA_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def settings_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a settings file, with descriptions and defaults."""
    return {"$schema": JSON_SCHEMA_DIALECT, **AppSettings.model_json_schema()}
