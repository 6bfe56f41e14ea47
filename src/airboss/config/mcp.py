"""Settings of the MCP servers: `mcp`."""

from pydantic import Field, JsonValue

from airboss.config.section import Section
from airboss.config.values import Name, Text

JsonSpec = dict[str, JsonValue]


class McpSettings(Section):
    """The MCP servers that are there from the start, and what may be added by API."""

    servers: dict[Name, JsonSpec] = Field(
        default_factory=dict,
        description=(
            "json_spec of each server: {endpoint_url, headers}, {command, args, env} or {image, env}; "
            "secrets among the values of headers and env are references."
        ),
    )
    allowed_commands: tuple[Text, ...] = Field(
        (),
        description="Absolute paths or names that an admin may start by API; empty: none, it runs code here.",
    )
    allowed_images: tuple[Text, ...] = Field(
        (), description="Container images that an admin may start by API; empty: none."
    )
    allow_private_endpoints: bool = Field(
        default=False,
        description="Whether servers added by API may be at private addresses; those here may be anywhere.",
    )
