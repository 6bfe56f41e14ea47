"""One server per database: a lock file that holds the process id of the one that has it."""

import fcntl
import os
from pathlib import Path

from airboss.ports.store import StoreOpenError


class DatabaseInUseError(StoreOpenError):
    """Another process serves this database; `use` is that without what to do about it."""

    def __init__(self, path: Path, process_id: str) -> None:
        self.use = f"{path} is in use by process {process_id}"
        super().__init__(f"{self.use}; stop that one, or give this one a --data-dir of its own")
        self.process_id = process_id


def check_unused(database: Path) -> None:
    """Raise `DatabaseInUseError` while another process has this database; makes and keeps nothing."""
    try:
        descriptor = os.open(_lock_file(database), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        _lock(descriptor, fcntl.LOCK_SH, database)
    finally:
        os.close(descriptor)


class DatabaseLock:
    """Held until closed, and let go by the kernel when the process ends in any way."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._descriptor: int | None = None

    def acquire(self) -> None:
        descriptor = os.open(_lock_file(self._database), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(descriptor, fcntl.LOCK_EX, self._database)
        except DatabaseInUseError:
            os.close(descriptor)
            raise
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _lock_file(database: Path) -> Path:
    return database.with_name(database.name + ".lock")


def _lock(descriptor: int, kind: int, database: Path) -> None:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
        raise DatabaseInUseError(database, owner or "unknown") from None
