"""Opening connections: every pragma on every one, since SQLite keeps most of them per connection."""

import sqlite3
from pathlib import Path

_BUSY_TIMEOUT_MS = 5000
_CACHE_KIB = 8192
#: A check reads the whole file, about 1.3 ms per MB from memory: beyond this size it would delay the start.
_MAX_CHECKED_BYTES = 128 * 1024 * 1024


def open_writer(path: Path) -> sqlite3.Connection:
    """Open the one connection that writes; an acknowledged commit is on disk (`synchronous=FULL`)."""
    connection = _open(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    return connection


def check_structure(connection: sqlite3.Connection, path: Path) -> None:
    """Raise `DatabaseError` where the file is damaged, before anything is written to it."""
    if path.stat().st_size <= _MAX_CHECKED_BYTES:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError("the file is damaged")


def open_reader(path: Path) -> sqlite3.Connection:
    """Open a connection that cannot write."""
    connection = _open(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _open(path: Path) -> sqlite3.Connection:
    # `isolation_level=None`: transactions are begun where the code says so, never by the driver.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    return connection
