"""Reading and writing below one folder by paths that nobody has vetted.

Only path resolution is guarded here. A hard link or a bind mount that leads elsewhere is the operator's matter:
both are indistinguishable from the folder's own content, and making either takes rights over the other place.
So is a network or FUSE mount in the folder: where its server hangs, reading hangs. A write goes through no hard
link: it puts a new file in the old one's place.
"""

import codecs
import heapq
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from airboss.tools.paths import WantedPath, parse_path, refusing
from airboss.tools.resolving import READ_FLAGS, Resolution, Resolver, closing, open_root
from airboss.tools.writing import FileWriter, ShouldStop

EntryKind = Literal["file", "directory", "symlink", "other"]

MAX_SCANNED_ENTRIES = 100_000  # a folder that grows while it is read must still come to an end

_CHUNK_BYTES = 1 << 18


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


@dataclass(frozen=True, slots=True)
class WrittenFile:
    """A file that was written; `created` tells that there was none of its name."""

    path: str
    size_bytes: int
    created: bool


class RootedFolder:
    """A folder that is reached by relative paths, never leaving it, following a symbolic link or blocking.

    Whatever a path or the file system holds, a method raises PathRefused only; a limit below 1 is a ValueError.
    """

    def __init__(self, root: Path, *, resolution: Resolution | None = None) -> None:
        self._root = root
        self._resolver = Resolver(resolution)

    def list_directory(self, path: str, *, max_entries: int) -> Listing:
        """List the first `max_entries` entries by name."""
        _require_positive(max_entries)
        wanted = parse_path(path)
        with refusing(wanted, "read"), self._located(wanted) as handle:
            wanted.require_directory(os.fstat(handle).st_mode)
            with closing(os.open(b".", READ_FLAGS | os.O_DIRECTORY, dir_fd=handle)) as folder:
                names, more = _first_names(folder, max_entries)
                entries = tuple(entry for name in names if (entry := _entry(folder, name)))
        return Listing(wanted.shown, entries, truncated=more)

    def read_file(self, path: str, *, max_bytes: int) -> FileText:
        """Read the first `max_bytes` bytes of a regular file as UTF-8, leaving out a character cut in two."""
        _require_positive(max_bytes)
        wanted = parse_path(path)
        with refusing(wanted, "read"), self._located(wanted) as handle:
            wanted.require_file(os.fstat(handle).st_mode)
            with closing(self._resolver.readable(handle)) as file:
                size = os.fstat(file).st_size
                content = _read_up_to(file, max_bytes + 1)
        truncated = len(content) > max_bytes
        text = _decoded(wanted, content[:max_bytes], truncated=truncated)
        return FileText(wanted.shown, text, size, truncated)

    def write_file(
        self, path: str, content: bytes, *, max_bytes: int, should_stop: ShouldStop = lambda: False
    ) -> WrittenFile:
        """Put a file of this content in place in one step, with the folders above it that are missing.

        It is on disk when this returns. Where `should_stop` says so before the last step, nothing is changed.
        """
        _require_positive(max_bytes)
        wanted = parse_path(path)
        wanted.require_writable_name()
        if len(content) > max_bytes:
            raise wanted.refuse("too_large", f"may hold at most {max_bytes} bytes, not {len(content)}")
        with refusing(wanted, "written"), closing(open_root(self._root)) as root:
            created = FileWriter(self._resolver, root, wanted, should_stop).write(content)
        return WrittenFile(wanted.shown, len(content), created)

    @contextmanager
    def _located(self, wanted: WantedPath) -> Iterator[int]:
        with (
            closing(open_root(self._root)) as root,
            closing(self._resolver.resolve(root, wanted.names)) as handle,
        ):
            yield handle


def _require_positive(limit: int) -> None:
    if limit < 1:
        raise ValueError(f"a limit must be at least 1, not {limit}")


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


def _decoded(wanted: WantedPath, content: bytes, *, truncated: bool) -> str:
    if b"\0" in content:
        raise wanted.refuse("binary", "is a binary file (it holds a NUL byte): only UTF-8 text can be read")
    try:
        return codecs.getincrementaldecoder("utf-8")().decode(content, final=not truncated)
    except UnicodeDecodeError as error:
        reason = f"is not UTF-8 text (byte {error.start} is invalid): only UTF-8 text can be read"
        raise wanted.refuse("binary", reason) from error
