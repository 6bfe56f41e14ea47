"""Writing a file in one step: whoever looks sees the old content or the new, and nothing else is left."""

import errno
import os
import secrets
import stat
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from itertools import islice

from airboss.tools.paths import PART_PREFIX, PathRefused, WantedPath
from airboss.tools.resolving import READ_FLAGS, Resolution, Resolver, closing, system_error

#: Who may make files may not make a folder that nobody can list any more.
MAX_FOLDER_ENTRIES = 10_000

_FILE_MODE = 0o600
_FOLDER_MODE = 0o700
_PERMISSIONS = 0o777  # of what is replaced; who may run as its owner is not for an agent to hand on
_CHUNK_BYTES = 1 << 18
_O_TMPFILE: int = getattr(os, "O_TMPFILE", 0)
_NEW_FLAGS = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NOCTTY
#: How file systems say that they know no file without a name.
_NO_UNNAMED_FILES = frozenset({errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL})

ShouldStop = Callable[[], bool]


@dataclass(slots=True)
class FileWriter:
    """Writes one file below a root that is held open."""

    resolver: Resolver
    root: int
    wanted: WantedPath
    should_stop: ShouldStop
    _held: ExitStack = field(default_factory=ExitStack)
    _made: list[tuple[int, bytes]] = field(default_factory=list)

    def write(self, content: bytes) -> bool:
        """Put the content in place, on disk when this returns; tell whether the file is new.

        Raises OSError and `PathRefused`; folders made on the way are removed again then.
        """
        with self._held:
            try:
                folder = self._held.enter_context(closing(self._parent()))
                seen = self._existing(folder)
                mode = _FILE_MODE if seen is None else seen.st_mode & _PERMISSIONS
                self._replace(folder, content, mode)
            except BaseException:
                self._unmake()
                raise
        return seen is None

    def _parent(self) -> int:
        names = self.wanted.names[:-1]
        try:
            handle = self.resolver.resolve_folder(self.root, names)
        except FileNotFoundError:
            handle = self._make(names)
        with closing(handle):
            return _readable_folder(handle)

    def _make(self, names: tuple[bytes, ...]) -> int:
        """Go down name by name and make the folders that are missing."""
        current = os.dup(self.root)
        for name in names:
            parent = self._held.enter_context(closing(current))
            try:
                current = self.resolver.resolve_folder(parent, (name,))
            except FileNotFoundError:
                current = self._make_one(parent, name)
        return current

    def _make_one(self, parent: int, name: bytes) -> int:
        self._stop_if_asked()
        with closing(_readable_folder(parent)) as readable:
            _require_room(self.wanted, readable)
            # Another program may be quicker: its folder is as good.
            with suppress(FileExistsError):
                os.mkdir(name, _FOLDER_MODE, dir_fd=parent)
                self._made.append((parent, name))
            _sync_folder(readable)
        return self.resolver.resolve_folder(parent, (name,))

    def _unmake(self) -> None:
        for parent, name in reversed(self._made):
            with suppress(OSError):  # others may have put something in it
                os.rmdir(name, dir_fd=parent)

    def _existing(self, folder: int) -> os.stat_result | None:
        name = self.wanted.names[-1]
        try:
            seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
        except FileNotFoundError:
            _require_room(self.wanted, folder)
            return None
        self.wanted.require_replaceable(seen.st_mode)
        # A rename asks only the folder: the file's own protection is looked at here, root's too.
        may_write = os.access(name, os.W_OK, dir_fd=folder, effective_ids=True, follow_symlinks=False)
        if not may_write or not seen.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
            raise self.wanted.refuse("denied", "is write-protected: name another path")
        return seen

    def _replace(self, folder: int, content: bytes, mode: int) -> None:
        part = PART_PREFIX + secrets.token_hex(8).encode()
        try:
            with closing(self._new_file(folder, part)) as file:
                os.fchmod(file, mode)
                self._fill(file, content)
                os.fsync(file)
                self._stop_if_asked()
                self._require_same(folder)
                _name(file, folder, part)
            os.rename(part, self.wanted.names[-1], src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(OSError):
                os.unlink(part, dir_fd=folder)
            raise
        _sync_folder(folder)

    def _new_file(self, folder: int, part: bytes) -> int:
        # A file without a name is gone with the process, however that ends.
        if _O_TMPFILE and self.resolver.resolution is not Resolution.WALK_WITHOUT_O_PATH:
            try:
                return os.open(b".", _O_TMPFILE | _NEW_FLAGS, _FILE_MODE, dir_fd=folder)
            except OSError as error:
                if error.errno not in _NO_UNNAMED_FILES:
                    raise
        return os.open(part, os.O_CREAT | os.O_EXCL | _NEW_FLAGS, _FILE_MODE, dir_fd=folder)

    def _fill(self, file: int, content: bytes) -> None:
        left = memoryview(content)
        while left:
            self._stop_if_asked()
            left = left[os.write(file, left[:_CHUNK_BYTES]) :]

    def _stop_if_asked(self) -> None:
        if self.should_stop():
            raise system_error(errno.ECANCELED)

    def _require_same(self, folder: int) -> None:
        """Refuse where the path leads elsewhere by now: the folder may have been moved out of the root."""
        with closing(self.resolver.resolve_folder(self.root, self.wanted.names[:-1])) as again:
            if not os.path.samestat(os.fstat(again), os.fstat(folder)):
                raise system_error(errno.EAGAIN)


def _readable_folder(handle: int) -> int:
    return os.open(b".", READ_FLAGS | os.O_DIRECTORY, dir_fd=handle)


def _require_room(wanted: WantedPath, folder: int) -> None:
    with os.scandir(folder) as found:
        if next(islice(found, MAX_FOLDER_ENTRIES - 1, None), None) is not None:
            reason = f"is in a folder that holds {MAX_FOLDER_ENTRIES} names already: choose another folder"
            raise wanted.refuse("folder_full", reason)


def _name(file: int, folder: int, part: bytes) -> None:
    """Give the file its name for the moment before the rename, if it has none yet."""
    if os.fstat(file).st_nlink:
        return
    try:
        os.link(f"/proc/self/fd/{file}".encode(), part, dst_dir_fd=folder, follow_symlinks=True)
    except FileNotFoundError as error:
        message = "Files cannot be written on this server: its operator has to mount /proc."
        raise PathRefused(message, code="unavailable") from error


def _sync_folder(folder: int) -> None:
    """Put the names in a folder on disk, as far as its file system can."""
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
