"""`files.list` and `files.read`: text files below one root."""

import asyncio
from dataclasses import asdict
from typing import Any

from pydantic import Field

from airboss.ports.tools import ToolContext, ToolDeniedError, ToolError
from airboss.tools.rooted import PathRefused, RootedFolder
from airboss.tools.typed import Arguments, TypedTool

_MAX_ENTRIES = 1000


class ListArguments(Arguments):
    path: str = Field(description="A folder, relative to the root; '.' is the root itself.")


class ReadArguments(Arguments):
    path: str = Field(description="A text file, relative to the root.")


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


#: What is refused as such; the rest could have worked, and did not.
_DENIED = frozenset({"outside", "symlink", "special", "denied"})


def _told(refusal: PathRefused) -> ToolError:
    kind = ToolDeniedError if refusal.code in _DENIED else ToolError
    return kind(refusal.code, str(refusal))
