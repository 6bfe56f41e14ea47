"""The tables, as ordered steps; a database's `user_version` tells how many of them it has had."""

import sqlite3

from airboss.ports.store import StoreOpenError

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    CREATE TABLE jobs (
      id TEXT PRIMARY KEY,
      tenant TEXT NOT NULL,
      owner TEXT NOT NULL,
      agent TEXT NOT NULL,
      agent_revision TEXT NOT NULL,
      state TEXT NOT NULL,
      error TEXT,
      attempt INTEGER NOT NULL,
      max_attempts INTEGER NOT NULL,
      claim INTEGER NOT NULL,
      priority INTEGER NOT NULL,
      created_at_ms INTEGER NOT NULL,
      run_at_ms INTEGER,
      started_at_ms INTEGER,
      finished_at_ms INTEGER,
      cancel_requested_at_ms INTEGER,
      max_queue_wait_seconds REAL,
      timeout_seconds REAL NOT NULL,
      spent_seconds REAL NOT NULL,
      usage_requests INTEGER NOT NULL,
      usage_input_tokens INTEGER NOT NULL,
      usage_output_tokens INTEGER NOT NULL,
      answered_by_provider TEXT,
      answered_by_model TEXT,
      correlation_id TEXT NOT NULL,
      retry_of TEXT,
      input_preview TEXT NOT NULL,
      metadata TEXT NOT NULL,
      input TEXT NOT NULL,
      output TEXT
    );
    CREATE INDEX jobs_live ON jobs (id) WHERE state IN ('pending', 'running', 'waiting');
    CREATE INDEX jobs_by_tenant ON jobs (tenant, id);
    CREATE INDEX jobs_by_agent ON jobs (tenant, agent, id);
    CREATE INDEX jobs_ended ON jobs (tenant, state, id)
      WHERE state IN ('completed', 'failed', 'cancelled', 'timed_out');

    CREATE TABLE job_counts (
      tenant TEXT NOT NULL,
      agent TEXT NOT NULL,
      state TEXT NOT NULL,
      jobs INTEGER NOT NULL,
      PRIMARY KEY (tenant, agent, state)
    ) WITHOUT ROWID;

    CREATE TABLE events (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      type TEXT NOT NULL,
      time_ms INTEGER NOT NULL,
      node TEXT NOT NULL,
      tenant TEXT,
      job_id TEXT,
      agent TEXT,
      data TEXT NOT NULL
    );
    CREATE INDEX events_by_job ON events (job_id, id) WHERE job_id IS NOT NULL;

    CREATE TABLE idempotency_keys (
      tenant TEXT NOT NULL,
      key TEXT NOT NULL,
      body_hash TEXT NOT NULL,
      job_id TEXT NOT NULL,
      created_at_ms INTEGER NOT NULL,
      PRIMARY KEY (tenant, key)
    ) WITHOUT ROWID;
    CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at_ms);

    CREATE TABLE paused_agents (agent TEXT PRIMARY KEY) WITHOUT ROWID;
    """,
    """
    CREATE TABLE journal (
      job_id TEXT NOT NULL,
      kind TEXT NOT NULL,
      turn INTEGER NOT NULL,
      call_index INTEGER NOT NULL,
      request_hash TEXT NOT NULL,
      answer TEXT,
      PRIMARY KEY (job_id, kind, turn, call_index)
    ) WITHOUT ROWID;
    """,
    """
    ALTER TABLE jobs ADD COLUMN claim_seconds REAL NOT NULL DEFAULT 0;
    """,
    """
    CREATE TABLE audit (
      id INTEGER PRIMARY KEY AUTOINCREMENT,
      time_ms INTEGER NOT NULL,
      action TEXT NOT NULL,
      actor TEXT,
      actor_tenant TEXT,
      actor_role TEXT,
      target_kind TEXT NOT NULL,
      target_id TEXT NOT NULL,
      tenant TEXT,
      outcome TEXT NOT NULL,
      correlation_id TEXT NOT NULL,
      details TEXT NOT NULL
    );
    CREATE INDEX audit_by_target ON audit (target_id, id);
    CREATE INDEX audit_by_actor ON audit (actor, id);
    CREATE INDEX audit_by_action ON audit (action, id);
    """,
    """
    CREATE TABLE mcp_servers (
      id INTEGER PRIMARY KEY,
      name TEXT NOT NULL,
      json_spec TEXT NOT NULL,
      created_at_ms INTEGER NOT NULL,
      updated_at_ms INTEGER NOT NULL,
      deleted_at_ms INTEGER
    );
    CREATE UNIQUE INDEX mcp_servers_live ON mcp_servers (name) WHERE deleted_at_ms IS NULL;
    """,
    """
    CREATE INDEX jobs_ended_by_agent ON jobs (tenant, agent, state, id)
      WHERE state IN ('completed', 'failed', 'cancelled', 'timed_out');
    """,
)


class NewerSchemaError(StoreOpenError):
    """The database was made by a newer Airboss."""


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database to this version, each step in a transaction of its own."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(MIGRATIONS):
        raise NewerSchemaError(
            f"the database is of a newer Airboss (schema {version}, this one knows {len(MIGRATIONS)}):"
            " start that one, or give this one a --data-dir of its own"
        )
    for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")
