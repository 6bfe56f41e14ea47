"""How a path below a root becomes a descriptor that is held, however the tree changes meanwhile."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path

from airboss.tools import openat2
from airboss.tools.paths import PathRefused

READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY

_O_PATH: int = getattr(os, "O_PATH", 0)
_HANDLE_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NOCTTY | os.O_NONBLOCK
# Unlike openat, openat2 refuses flags that mean nothing beside O_PATH.
_OPENAT2_FLAGS = _O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW
_BENEATH = openat2.RESOLVE_BENEATH | openat2.RESOLVE_NO_SYMLINKS | openat2.RESOLVE_NO_MAGICLINKS

_ROOT_REASONS = {
    errno.ENOENT: "does not exist: create it, or set tools.files.root to a folder that does",
    errno.ENOTDIR: "is not a folder: set tools.files.root to one",
    errno.EACCES: "may not be opened: let the server's user in, or set tools.files.root to another folder",
}


class Resolution(StrEnum):
    """How a path becomes a descriptor."""

    OPENAT2 = "openat2"
    WALK = "walk"
    # Without O_PATH (off Linux) a name is looked at, opened and compared: who may make device nodes in the
    # folder could still have one opened in between. It is closed unread.
    WALK_WITHOUT_O_PATH = "walk_without_o_path"


class Resolver:
    """Opens what names below a held folder lead to, in the best way this system has."""

    def __init__(self, resolution: Resolution | None = None) -> None:
        self.resolution = resolution

    def resolve(self, root: int, names: tuple[bytes, ...]) -> int:
        """Open whatever the names lead to, without following a link; raises OSError."""
        if self._best(root) is Resolution.OPENAT2:
            return openat2.openat2(root, b"/".join(names), flags=_OPENAT2_FLAGS, resolve=_BENEATH)
        o_path = self._o_path
        with closing(_walk(root, names[:-1], o_path)) as parent:
            return _open_last(names[-1], parent, o_path)

    def resolve_folder(self, root: int, names: tuple[bytes, ...]) -> int:
        """Open the folder that the names lead to, `root` itself for none; raises OSError."""
        if self._best(root) is Resolution.OPENAT2:
            path = b"/".join(names) or b"."
            return _folder_only(openat2.openat2(root, path, flags=_OPENAT2_FLAGS, resolve=_BENEATH))
        return _walk(root, names, self._o_path)

    def readable(self, handle: int) -> int:
        """Open for reading what a handle holds: a regular file or a folder."""
        if self.resolution is Resolution.WALK_WITHOUT_O_PATH:
            return os.dup(handle)
        return _reopen_for_reading(handle)

    def _best(self, root: int) -> Resolution:
        if self.resolution is None:
            self.resolution = _best_resolution(root)
        return self.resolution

    @property
    def _o_path(self) -> int:
        return _O_PATH if self.resolution is Resolution.WALK else 0


def open_root(root: Path) -> int:
    """Open the root; raises `PathRefused`, which tells the operator what to do."""
    # The root itself may be a link: the operator named it, not the caller.
    try:
        return os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | _O_PATH)
    except OSError as error:
        cause = error.errno or 0
        reason = _ROOT_REASONS.get(cause, f"cannot be opened now ({os.strerror(cause)}): try again later")
        raise PathRefused(f"The root folder of the file tools {reason}.", code="root_unusable") from error


def _best_resolution(root: int) -> Resolution:
    if openat2.is_supported(root):
        return Resolution.OPENAT2
    return Resolution.WALK if _O_PATH else Resolution.WALK_WITHOUT_O_PATH


def _folder_only(handle: int) -> int:
    # O_DIRECTORY would say of a link, too, that it is no folder.
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISDIR(mode):
            raise system_error(errno.ELOOP if stat.S_ISLNK(mode) else errno.ENOTDIR)
    except OSError:
        os.close(handle)
        raise
    return handle


def _walk(root: int, names: tuple[bytes, ...], o_path: int) -> int:
    current = os.dup(root)
    for name in names:
        with closing(current) as parent:
            current = _open_folder(name, parent, o_path)
    return current


def _open_folder(name: bytes, parent: int, o_path: int) -> int:
    try:
        return os.open(name, _HANDLE_FLAGS | os.O_DIRECTORY | o_path, dir_fd=parent)
    except NotADirectoryError:
        # With O_DIRECTORY the kernel says this of a symbolic link too.
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            raise system_error(errno.ELOOP) from None
        if stat.S_ISDIR(mode):
            raise system_error(errno.EAGAIN) from None
        raise


def _open_last(name: bytes, parent: int, o_path: int) -> int:
    if o_path:
        return os.open(name, _HANDLE_FLAGS | o_path, dir_fd=parent)
    seen = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISLNK(seen.st_mode):
        raise system_error(errno.ELOOP)
    if not stat.S_ISREG(seen.st_mode) and not stat.S_ISDIR(seen.st_mode):
        raise system_error(errno.ENXIO)
    return _open_same(name, _HANDLE_FLAGS, seen, dir_fd=parent)


def _reopen_for_reading(handle: int) -> int:
    # Going by name again could meet a device put there since; this link leads to the very inode looked at.
    # It is the kernel's own, so O_NOFOLLOW must be off.
    try:
        return _open_same(f"/proc/self/fd/{handle}".encode(), READ_FLAGS, os.fstat(handle))
    except FileNotFoundError as error:
        message = "Files cannot be read on this server: its operator has to mount /proc."
        raise PathRefused(message, code="unavailable") from error


def _open_same(path: bytes, flags: int, expected: os.stat_result, dir_fd: int | None = None) -> int:
    descriptor = os.open(path, flags, dir_fd=dir_fd)
    try:
        if not os.path.samestat(os.fstat(descriptor), expected):
            raise system_error(errno.EAGAIN)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def system_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@contextmanager
def closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
