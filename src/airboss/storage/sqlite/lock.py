"""One server per database: a lock file that holds the process id of the one that has it."""

import fcntl
import os
from pathlib import Path

from airboss.ports.store import StoreOpenError


class DatabaseInUseError(StoreOpenError):
    """Another process serves this database."""

    def __init__(self, path: Path, process_id: str) -> None:
        super().__init__(
            f"{path} is in use by process {process_id}; stop that one, or give this one a --data-dir of its own"
        )
        self.process_id = process_id


class DatabaseLock:
    """Held until closed, and let go by the kernel when the process ends in any way."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._descriptor: int | None = None

    def acquire(self) -> None:
        path = self._database.with_name(self._database.name + ".lock")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(descriptor)
            raise DatabaseInUseError(self._database, owner or "unknown") from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
