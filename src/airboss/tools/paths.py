"""Paths that nobody has vetted: what they name below a root, and in which words they are refused."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

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
    "too_large",
    "folder_full",
    "no_space",
    "root_unusable",
    "unavailable",
]
Verb = Literal["read", "written"]

MAX_PATH_BYTES = 4095  # PATH_MAX without its NUL
MAX_NAME_BYTES = 255  # NAME_MAX
MAX_WRITTEN_DEPTH = 32  # names in the path of a file that is written
#: What a file is called between its writing and its place; nobody writes under such a name.
PART_PREFIX = b".airboss-"

_SHOWN_CHARACTERS = 120

_Refusal = tuple[RefusalCode, str]
_REFUSALS: dict[int, _Refusal] = {
    errno.ENOENT: ("not_found", "does not exist: list the folder above it to see what does"),
    errno.ENOTDIR: (
        "not_a_directory",
        "leads through a file as if that were a folder: list the folders above it",
    ),
    errno.EISDIR: ("is_a_directory", "is a folder: name a file"),
    errno.ELOOP: (
        "symlink",
        "is or leads through a symbolic link, which is never followed: name another path",
    ),
    errno.EXDEV: ("outside", "leads out of the root: name a path below it"),
    errno.ENXIO: ("special", "is neither a file nor a folder and is never opened: name another path"),
    errno.EACCES: ("denied", "may not be {verb} by the server: name another path"),
    errno.EPERM: ("denied", "may not be {verb} by the server: name another path"),
    errno.EROFS: ("denied", "is on a file system that is read only: name another path"),
    errno.EAGAIN: ("busy", "is being changed or is held by another program: try again later"),
    errno.ENAMETOOLONG: ("invalid_path", "is too long for this file system: give a shorter path"),
    errno.EINVAL: ("invalid_path", "is no valid name on this file system: name another path"),
    errno.EILSEQ: ("invalid_path", "is no valid name on this file system: name another path"),
    errno.ENOSPC: ("no_space", "cannot be {verb}: the disk is full"),
    errno.EDQUOT: ("no_space", "cannot be {verb}: the server's share of the disk is used up"),
    errno.EFBIG: ("too_large", "cannot be {verb}: it is too large for this file system"),
}
_UNFORESEEN = {
    "read": "cannot be read now ({cause}): try again later",
    "written": "could not be written ({cause}): look whether it was, then try again",
}


class PathRefused(Exception):  # noqa: N818  a refusal is an answer to the caller, not a fault of the program
    """A path that is left alone, with a message fit to show to whoever gave it."""

    def __init__(self, message: str, *, code: RefusalCode) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class WantedPath:
    """The names on the way down from the root; (".",) is the root itself."""

    names: tuple[bytes, ...]
    shown: str
    as_directory: bool

    def refuse(self, code: RefusalCode, reason: str) -> PathRefused:
        return PathRefused(f"{_quoted(self.shown)} {reason}.", code=code)

    def require_directory(self, mode: int) -> None:
        self._require_ordinary(mode)
        if not stat.S_ISDIR(mode):
            raise self.refuse("not_a_directory", "is a file: read it, or list the folder that holds it")

    def require_file(self, mode: int) -> None:
        self._require_ordinary(mode)
        if stat.S_ISDIR(mode):
            raise self.refuse("is_a_directory", "is a folder: list it, then read a file in it")
        if self.as_directory:
            raise self.refuse("not_a_directory", "is a file: leave out what follows its name")

    def require_replaceable(self, mode: int) -> None:
        self._require_ordinary(mode)
        if stat.S_ISDIR(mode):
            raise self.refuse(*_REFUSALS[errno.EISDIR])

    def require_writable_name(self) -> None:
        if self.as_directory:
            raise self.refuse("is_a_directory", "names a folder: name a file")
        if len(self.names) > MAX_WRITTEN_DEPTH:
            raise self.refuse(
                "invalid_path", f"is more than {MAX_WRITTEN_DEPTH} names deep: give a shorter path"
            )
        if not self.shown.isprintable():
            raise self.refuse("invalid_path", "holds a control or invisible character: leave it out")
        if any(name.startswith(PART_PREFIX) for name in self.names):
            raise self.refuse(
                "invalid_path", f"holds a name that begins with {PART_PREFIX.decode()}: choose another name"
            )

    def _require_ordinary(self, mode: int) -> None:
        if stat.S_ISLNK(mode):
            raise self.refuse(*_REFUSALS[errno.ELOOP])
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise self.refuse(*_REFUSALS[errno.ENXIO])


def parse_path(path: str) -> WantedPath:
    """Read a path of a caller's; raises `PathRefused` for one that cannot be below any root."""
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
    return WantedPath(kept or (b".",), b"/".join(kept).decode() or ".", as_directory)


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


@contextmanager
def refusing(wanted: WantedPath, verb: Verb) -> Iterator[None]:
    """Turn the errors of the system into refusals of the path."""
    try:
        yield
    except OSError as error:
        # Of the error only its number is used: its text may name a place on the host.
        cause = error.errno or 0
        unforeseen: _Refusal = ("unavailable", _UNFORESEEN[verb].format(cause=os.strerror(cause)))
        code, reason = _REFUSALS.get(cause, unforeseen)
        raise wanted.refuse(code, reason.format(verb=verb)) from error
