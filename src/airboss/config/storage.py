"""Settings of the database: `storage`."""

from pydantic import Field

from airboss.config.section import Section
from airboss.config.values import PostgresUrl, StorageUrl


class StorageSettings(Section):
    """Where jobs and events are kept."""

    url: StorageUrl | None = Field(
        None,
        repr=False,  # it may embed a password
        description="Database: sqlite:///FILE, memory:// or postgresql://user:pw@host/db; null: DATA_DIR/airboss.db.",
    )
    replica_url: PostgresUrl | None = Field(
        None,
        repr=False,  # it may embed a password
        description="PostgreSQL replica that lists are read from, to take load off the primary; null: none.",
    )
