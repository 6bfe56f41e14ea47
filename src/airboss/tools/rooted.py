"""Reading below one folder by paths that nobody has vetted.

Only path resolution is guarded here. A hard link or a bind mount that leads elsewhere is the operator's matter:
both are indistinguishable from the folder's own content, and making either takes rights over the other place.
So is a network or FUSE mount in the folder: where its server hangs, reading hangs.
"""

import codecs
import errno
import heapq
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Literal

from airboss.tools import openat2

EntryKind = Literal["file", "directory", "symlink", "other"]
RefusalCode = Literal[
    "invalid_path",
    "outside",
    "symlink",
    "special",
    "not_found",
    "not_a_directory",
    "is_a_directory",
    "binary",
    "denied",
    "busy",
    "root_unusable",
    "unavailable",
]

MAX_PATH_BYTES = 4095  # PATH_MAX without its NUL
MAX_NAME_BYTES = 255  # NAME_MAX
MAX_SCANNED_ENTRIES = 100_000  # a folder that grows while it is read must still come to an end

_SHOWN_CHARACTERS = 120
_CHUNK_BYTES = 1 << 18
_O_PATH: int = getattr(os, "O_PATH", 0)
_HANDLE_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NOCTTY | os.O_NONBLOCK
# Unlike openat, openat2 refuses flags that mean nothing beside O_PATH.
_OPENAT2_FLAGS = _O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW
_READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
_BENEATH = openat2.RESOLVE_BENEATH | openat2.RESOLVE_NO_SYMLINKS | openat2.RESOLVE_NO_MAGICLINKS

_Refusal = tuple[RefusalCode, str]
_REFUSALS: dict[int, _Refusal] = {
    errno.ENOENT: ("not_found", "does not exist: list the folder above it to see what does"),
    errno.ENOTDIR: (
        "not_a_directory",
        "leads through a file as if that were a folder: list the folders above it",
    ),
    errno.ELOOP: (
        "symlink",
        "is or leads through a symbolic link, which is never followed: name another path",
    ),
    errno.EXDEV: ("outside", "leads out of the root: name a path below it"),
    errno.ENXIO: ("special", "is neither a file nor a folder and is never opened: name another path"),
    errno.EACCES: ("denied", "may not be read by the server: name another path"),
    errno.EPERM: ("denied", "may not be read by the server: name another path"),
    errno.EAGAIN: ("busy", "is being changed or is held by another program: try again later"),
    errno.ENAMETOOLONG: ("invalid_path", "is too long for this file system: give a shorter path"),
    errno.EINVAL: ("invalid_path", "is no valid name on this file system: name another path"),
    errno.EILSEQ: ("invalid_path", "is no valid name on this file system: name another path"),
}
_ROOT_REASONS = {
    errno.ENOENT: "does not exist: create it, or set tools.files.root to a folder that does",
    errno.ENOTDIR: "is not a folder: set tools.files.root to one",
    errno.EACCES: "may not be opened: let the server's user in, or set tools.files.root to another folder",
}


class PathRefused(Exception):  # noqa: N818  a refusal is an answer to the caller, not a fault of the program
    """A path that is not read, with a message fit to show to whoever gave it."""

    def __init__(self, message: str, *, code: RefusalCode) -> None:
        super().__init__(message)
        self.code = code


class Resolution(StrEnum):
    """How a path becomes a descriptor."""

    OPENAT2 = "openat2"
    WALK = "walk"
    # Without O_PATH (off Linux) a name is looked at, opened and compared: who may make device nodes in the
    # folder could still have one opened in between. It is closed unread.
    WALK_WITHOUT_O_PATH = "walk_without_o_path"


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder; `size_bytes` is set for files only."""

    name: str
    kind: EntryKind
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Listing:
    """The entries of a folder by name; bytes of a name that are not UTF-8 are shown as U+FFFD."""

    path: str
    entries: tuple[Entry, ...]
    truncated: bool


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file up to a limit; `size_bytes` is the size of the whole file."""

    path: str
    text: str
    size_bytes: int
    truncated: bool


class RootedFolder:
    """A folder that is read by relative paths, never leaving it, following a symbolic link or blocking.

    Whatever a path or the file system holds, a method raises PathRefused only; a limit below 1 is a ValueError.
    """

    def __init__(self, root: Path, *, resolution: Resolution | None = None) -> None:
        self._root = root
        self._resolution = resolution

    def list_directory(self, path: str, *, max_entries: int) -> Listing:
        """List the first `max_entries` entries by name."""
        _require_positive(max_entries)
        wanted = _parse(path)
        with _refusing(wanted), self._located(wanted) as handle:
            _require_directory(wanted, os.fstat(handle).st_mode)
            with _closing(os.open(b".", _READ_FLAGS | os.O_DIRECTORY, dir_fd=handle)) as folder:
                names, more = _first_names(folder, max_entries)
                entries = tuple(entry for name in names if (entry := _entry(folder, name)))
        return Listing(wanted.shown, entries, truncated=more)

    def read_file(self, path: str, *, max_bytes: int) -> FileText:
        """Read the first `max_bytes` bytes of a regular file as UTF-8, leaving out a character cut in two."""
        _require_positive(max_bytes)
        wanted = _parse(path)
        with _refusing(wanted), self._located(wanted) as handle:
            _require_file(wanted, os.fstat(handle).st_mode)
            with _closing(self._readable(handle)) as file:
                size = os.fstat(file).st_size
                content = _read_up_to(file, max_bytes + 1)
        truncated = len(content) > max_bytes
        text = _decoded(wanted, content[:max_bytes], truncated=truncated)
        return FileText(wanted.shown, text, size, truncated)

    @contextmanager
    def _located(self, wanted: "_Wanted") -> Iterator[int]:
        with _closing(_open_root(self._root)) as root, _closing(self._resolve(root, wanted.names)) as handle:
            yield handle

    def _resolve(self, root: int, names: tuple[bytes, ...]) -> int:
        if self._resolution is None:
            self._resolution = _best_resolution(root)
        if self._resolution is Resolution.OPENAT2:
            return openat2.openat2(root, b"/".join(names), flags=_OPENAT2_FLAGS, resolve=_BENEATH)
        return _walk(root, names, o_path=_O_PATH if self._resolution is Resolution.WALK else 0)

    def _readable(self, handle: int) -> int:
        if self._resolution is Resolution.WALK_WITHOUT_O_PATH:
            return os.dup(handle)
        return _reopen_for_reading(handle)


@dataclass(frozen=True, slots=True)
class _Wanted:
    names: tuple[bytes, ...]
    shown: str
    as_directory: bool

    def refuse(self, code: RefusalCode, reason: str) -> PathRefused:
        return PathRefused(f"{_quoted(self.shown)} {reason}.", code=code)


def _parse(path: str) -> _Wanted:
    encoded = _encoded(path)
    if encoded.startswith(b"/"):
        raise _invalid(
            path, "is absolute: give a path relative to the root, such as docs/notes.txt", "outside"
        )
    names = encoded.split(b"/")
    as_directory = names[-1] in {b"", b"."}
    if names[-1] == b"":
        names.pop()
    kept = tuple(name for name in names if name != b".")
    _require_plain_names(path, kept)
    return _Wanted(kept or (b".",), b"/".join(kept).decode() or ".", as_directory)


def _encoded(path: str) -> bytes:
    # Before encoding, so that a path of many megabytes is not copied.
    if len(path) > MAX_PATH_BYTES:
        raise _invalid(path, f"is longer than {MAX_PATH_BYTES} bytes: give a shorter path")
    try:
        encoded = path.encode()
    except UnicodeEncodeError as error:
        raise _invalid(path, "holds half a surrogate pair: give valid Unicode") from error
    if len(encoded) > MAX_PATH_BYTES:
        raise _invalid(path, f"is longer than {MAX_PATH_BYTES} bytes: give a shorter path")
    if b"\0" in encoded:
        raise _invalid(path, "holds a NUL character: leave it out")
    return encoded


def _require_plain_names(path: str, names: tuple[bytes, ...]) -> None:
    if b".." in names:
        raise _invalid(path, "holds '..': name the way down from the root instead", "outside")
    if b"" in names:
        raise _invalid(path, "holds an empty name: put one '/' between two names")
    if max(map(len, names), default=0) > MAX_NAME_BYTES:
        raise _invalid(path, f"holds a name longer than {MAX_NAME_BYTES} bytes: give a shorter one")


def _invalid(path: str, reason: str, code: RefusalCode = "invalid_path") -> PathRefused:
    return PathRefused(f"{_quoted(path)} {reason}.", code=code)


def _quoted(path: str) -> str:
    if len(path) > _SHOWN_CHARACTERS:
        path = path[:_SHOWN_CHARACTERS] + "…"
    return repr(path)


def _require_positive(limit: int) -> None:
    if limit < 1:
        raise ValueError(f"a limit must be at least 1, not {limit}")


def _open_root(root: Path) -> int:
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


def _walk(root: int, names: tuple[bytes, ...], *, o_path: int) -> int:
    current = os.dup(root)
    try:
        for name in names[:-1]:
            parent, current = current, _open_folder(name, current, o_path)
            os.close(parent)
        return _open_last(names[-1], current, o_path)
    finally:
        os.close(current)


def _open_folder(name: bytes, parent: int, o_path: int) -> int:
    try:
        return os.open(name, _HANDLE_FLAGS | os.O_DIRECTORY | o_path, dir_fd=parent)
    except NotADirectoryError:
        # With O_DIRECTORY the kernel says this of a symbolic link too.
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
        if stat.S_ISLNK(mode):
            raise _system_error(errno.ELOOP) from None
        if stat.S_ISDIR(mode):
            raise _system_error(errno.EAGAIN) from None
        raise


def _open_last(name: bytes, parent: int, o_path: int) -> int:
    if o_path:
        return os.open(name, _HANDLE_FLAGS | o_path, dir_fd=parent)
    seen = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISLNK(seen.st_mode):
        raise _system_error(errno.ELOOP)
    if not stat.S_ISREG(seen.st_mode) and not stat.S_ISDIR(seen.st_mode):
        raise _system_error(errno.ENXIO)
    return _open_same(name, _HANDLE_FLAGS, seen, dir_fd=parent)


def _reopen_for_reading(handle: int) -> int:
    # Going by name again could meet a device put there since; this link leads to the very inode looked at.
    # It is the kernel's own, so O_NOFOLLOW must be off.
    try:
        return _open_same(f"/proc/self/fd/{handle}".encode(), _READ_FLAGS, os.fstat(handle))
    except FileNotFoundError as error:
        message = "Files cannot be read on this server: its operator has to mount /proc."
        raise PathRefused(message, code="unavailable") from error


def _open_same(path: bytes, flags: int, expected: os.stat_result, dir_fd: int | None = None) -> int:
    descriptor = os.open(path, flags, dir_fd=dir_fd)
    try:
        if not os.path.samestat(os.fstat(descriptor), expected):
            raise _system_error(errno.EAGAIN)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _require_directory(wanted: _Wanted, mode: int) -> None:
    _require_ordinary(wanted, mode)
    if not stat.S_ISDIR(mode):
        raise wanted.refuse("not_a_directory", "is a file: read it, or list the folder that holds it")


def _require_file(wanted: _Wanted, mode: int) -> None:
    _require_ordinary(wanted, mode)
    if stat.S_ISDIR(mode):
        raise wanted.refuse("is_a_directory", "is a folder: list it, then read a file in it")
    if wanted.as_directory:
        raise wanted.refuse("not_a_directory", "is a file: leave out what follows its name")


def _require_ordinary(wanted: _Wanted, mode: int) -> None:
    if stat.S_ISLNK(mode):
        raise wanted.refuse(*_REFUSALS[errno.ELOOP])
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise wanted.refuse(*_REFUSALS[errno.ENXIO])


def _first_names(folder: int, limit: int) -> tuple[list[bytes], bool]:
    with os.scandir(folder) as found:
        scanned = (os.fsencode(entry.name) for entry in islice(found, MAX_SCANNED_ENTRIES))
        names = heapq.nsmallest(limit + 1, scanned)
        unscanned = next(found, None) is not None
    return names[:limit], unscanned or len(names) > limit


def _entry(folder: int, name: bytes) -> Entry | None:
    try:
        seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None  # removed since its name was read
    kind = _kind(seen.st_mode)
    return Entry(name.decode(errors="replace"), kind, seen.st_size if kind == "file" else None)


def _kind(mode: int) -> EntryKind:
    if stat.S_ISREG(mode):
        return "file"
    if stat.S_ISDIR(mode):
        return "directory"
    return "symlink" if stat.S_ISLNK(mode) else "other"


def _read_up_to(file: int, limit: int) -> bytes:
    content = bytearray()
    while len(content) < limit:
        chunk = os.read(file, min(limit - len(content), _CHUNK_BYTES))
        if not chunk:
            break
        content += chunk
    return bytes(content)


def _decoded(wanted: _Wanted, content: bytes, *, truncated: bool) -> str:
    if b"\0" in content:
        raise wanted.refuse("binary", "is a binary file (it holds a NUL byte): only UTF-8 text can be read")
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(content, final=not truncated)
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text (byte {error.start} is invalid): only UTF-8 text can be read"
        raise wanted.refuse("binary", reason) from error


def _system_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _refusing(wanted: _Wanted) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Of the error only its number is used: its text may name a place on the host.
        cause = error.errno or 0
        unforeseen: _Refusal = ("unavailable", f"cannot be read now ({os.strerror(cause)}): try again later")
        raise wanted.refuse(*_REFUSALS.get(cause, unforeseen)) from error
