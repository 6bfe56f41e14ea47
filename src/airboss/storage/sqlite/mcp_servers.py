"""MCP servers that were added by API; a deleted one keeps its row, and its name is free again."""

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from airboss.ports.mcp_store import KeptServer, ServerChange
from airboss.storage.json_text import encode_json
from airboss.storage.sqlite.writer import Transaction

_COLUMNS = "name, json_spec, created_at_ms, updated_at_ms"
_LIVE = "deleted_at_ms IS NULL"


def read(connection: sqlite3.Connection) -> list[KeptServer]:
    rows = connection.execute(f"SELECT {_COLUMNS} FROM mcp_servers WHERE {_LIVE} ORDER BY name")
    return [_server(row) for row in rows]


def create(
    transaction: Transaction, name: str, json_spec: Mapping[str, Any], change: ServerChange
) -> KeptServer | None:
    row = transaction.connection.execute(
        "INSERT INTO mcp_servers (name, json_spec, created_at_ms, updated_at_ms) VALUES (?, ?, ?, ?)"
        f" ON CONFLICT (name) WHERE {_LIVE} DO NOTHING RETURNING {_COLUMNS}",
        (name, encode_json(json_spec), change.time_ms, change.time_ms),
    ).fetchone()
    return _told(transaction, row, change)


def update(
    transaction: Transaction, name: str, json_spec: Mapping[str, Any], change: ServerChange
) -> KeptServer | None:
    row = transaction.connection.execute(
        f"UPDATE mcp_servers SET json_spec = ?, updated_at_ms = ? WHERE name = ? AND {_LIVE} RETURNING {_COLUMNS}",
        (encode_json(json_spec), change.time_ms, name),
    ).fetchone()
    return _told(transaction, row, change)


def delete(transaction: Transaction, name: str, change: ServerChange) -> bool:
    row = transaction.connection.execute(
        f"UPDATE mcp_servers SET deleted_at_ms = ? WHERE name = ? AND {_LIVE} RETURNING {_COLUMNS}",
        (change.time_ms, name),
    ).fetchone()
    return _told(transaction, row, change) is not None


def _told(transaction: Transaction, row: tuple[Any, ...] | None, change: ServerChange) -> KeptServer | None:
    """Write the event and the audit of a change that was made."""
    if row is None:
        return None
    transaction.record(change.event)
    if change.audit is not None:
        transaction.audit(change.audit)
    return _server(row)


def _server(row: tuple[Any, ...]) -> KeptServer:
    name, json_spec, created_at_ms, updated_at_ms = row
    return KeptServer(name, json.loads(json_spec), created_at_ms, updated_at_ms)
