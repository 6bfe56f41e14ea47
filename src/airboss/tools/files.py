"""`files.list`, `files.read` and `files.write`: text files below one root."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pydantic import Field

from airboss.ports.tools import ToolContext, ToolDeniedError, ToolError
from airboss.tools.paths import PathRefused
from airboss.tools.rooted import RootedFolder, WrittenFile
from airboss.tools.typed import Arguments, TypedTool

_MAX_ENTRIES = 1000


class ListArguments(Arguments):
    path: str = Field(description="A folder, relative to the root; '.' is the root itself.")


class ReadArguments(Arguments):
    path: str = Field(description="A text file, relative to the root.")


class WriteArguments(Arguments):
    path: str = Field(description="A text file, relative to the root; folders that are missing are made.")
    content: str = Field(description="The whole new text; what the file held before is gone.")


class ListFiles(TypedTool[ListArguments]):
    """Names what a folder holds."""

    name = "files.list"
    description = "List the files and folders in a folder, with their kinds and sizes in bytes."
    arguments = ListArguments
    repeatable = True

    def __init__(self, folder: RootedFolder) -> None:
        self._folder = folder

    async def run(self, context: ToolContext, arguments: ListArguments) -> Any:  # noqa: ARG002
        try:
            listing = await asyncio.to_thread(
                self._folder.list_directory, arguments.path, max_entries=_MAX_ENTRIES
            )
        except PathRefused as refusal:
            raise _told(refusal) from None
        return asdict(listing)


class ReadFile(TypedTool[ReadArguments]):
    """Reads a text file, cut at a number of bytes."""

    name = "files.read"
    description = "Read a text file (UTF-8). A long one is cut; 'truncated' says so."
    arguments = ReadArguments
    repeatable = True

    def __init__(self, folder: RootedFolder, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    async def run(self, context: ToolContext, arguments: ReadArguments) -> Any:  # noqa: ARG002
        try:
            text = await asyncio.to_thread(self._folder.read_file, arguments.path, max_bytes=self._max_bytes)
        except PathRefused as refusal:
            raise _told(refusal) from None
        return asdict(text)


class WriteFile(TypedTool[WriteArguments]):
    """Writes a whole text file.

    It may not be repeated: hours can lie between a crash and the next start, and what somebody wrote into the
    file meanwhile would be gone. A write that was in flight ends its job with `outcome_unknown`.
    """

    name = "files.write"
    description = "Write a text file (UTF-8) in one step: make it, or replace all that it held."
    arguments = WriteArguments
    repeatable = False

    def __init__(self, folder: RootedFolder, *, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    async def run(self, context: ToolContext, arguments: WriteArguments) -> Any:  # noqa: ARG002
        content = _text_bytes(arguments.content)
        stopped = threading.Event()

        def write() -> WrittenFile:
            return self._folder.write_file(
                arguments.path, content, max_bytes=self._max_bytes, should_stop=stopped.is_set
            )

        try:
            written = await _to_the_end(write, stopped)
        except PathRefused as refusal:
            raise _told(refusal) from None
        return asdict(written)


def _text_bytes(content: str) -> bytes:
    if "\0" in content:
        raise ToolError("binary", "the content holds a NUL character: only text is written")
    try:
        return content.encode()
    except UnicodeEncodeError:
        raise ToolError(
            "invalid_arguments", "content: holds half a surrogate pair: give valid Unicode"
        ) from None


async def _to_the_end(write: Callable[[], WrittenFile], stopped: threading.Event) -> WrittenFile:
    """Write in a thread; a cancellation stops it, and goes on once nothing can change any more."""
    writing = asyncio.ensure_future(asyncio.to_thread(write))
    try:
        return await asyncio.shield(writing)
    except asyncio.CancelledError:
        stopped.set()
        await asyncio.wait([writing])
        raise
    finally:
        if writing.done() and not writing.cancelled():
            writing.exception()


#: What is refused as such; the rest could have worked, and did not.
_DENIED = frozenset({"outside", "symlink", "special", "denied"})


def _told(refusal: PathRefused) -> ToolError:
    kind = ToolDeniedError if refusal.code in _DENIED else ToolError
    return kind(refusal.code, str(refusal))
