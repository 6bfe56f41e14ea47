"""Settings of the built-in tools: `tools`."""

from pathlib import Path

from pydantic import Field

from airboss.config.section import Section
from airboss.config.values import AllowedDomain, Capacity, FilePath, Seconds


class FileToolSettings(Section):
    """What the file tools may touch."""

    root: FilePath = Field(Path("./workspace"), description="Folder that the file tools are confined to.")
    max_bytes: Capacity = Field(
        1_048_576, description="Largest file read or written, in bytes: its text ends up in a prompt."
    )
    writable: bool = Field(
        default=False, description="Whether files.write may write; off, for a model writes what it likes."
    )


class WebToolSettings(Section):
    """What the web tool may reach."""

    allowed_domains: tuple[AllowedDomain, ...] = Field(
        (),
        description="Hosts that may be fetched: host, *.host, * (every public host) or an address; empty: none.",
    )
    allow_http: bool = Field(default=False, description="Whether http:// may be fetched too, unencrypted.")
    timeout_seconds: Seconds = Field(10, description="Seconds for one fetch with its redirects.")
    max_bytes: Capacity = Field(1_048_576, description="Largest page in bytes: its text ends up in a prompt.")


class ToolsSettings(Section):
    """The built-in tools."""

    files: FileToolSettings = Field(default_factory=FileToolSettings, description="The tools files.*.")
    web: WebToolSettings = Field(default_factory=WebToolSettings, description="The tool web.fetch.")
