"""The file tools as an agent has them."""

import asyncio
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from tests.support.clock import DEADLINE_SECONDS

from airboss.ports.tools import ToolContext, ToolDeniedError, ToolError
from airboss.tools.files import ListFiles, ReadFile, WriteFile
from airboss.tools.rooted import RootedFolder

CONTEXT = ToolContext("job", "default")


@pytest.fixture
def folder(tmp_path: Path) -> RootedFolder:
    return RootedFolder(tmp_path)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def writer(folder: RootedFolder) -> WriteFile:
    return WriteFile(folder, max_bytes=100)


async def write(tool: WriteFile, path: str, content: Any = "new") -> Any:
    return await tool.call(CONTEXT, {"path": path, "content": content})


async def refusal(tool: WriteFile, path: str, content: Any = "new") -> ToolError:
    with pytest.raises(ToolError) as caught:
        await write(tool, path, content)
    return caught.value


def test_only_reading_may_be_repeated(folder: RootedFolder) -> None:
    assert not writer(folder).repeatable
    assert ListFiles(folder).repeatable
    assert ReadFile(folder, max_bytes=1).repeatable


async def test_what_is_written_is_read_back(folder: RootedFolder) -> None:
    assert await write(writer(folder), "a/b.txt", "Grüße") == {
        "path": "a/b.txt",
        "size_bytes": 7,
        "created": True,
    }
    read = await ReadFile(folder, max_bytes=100).call(CONTEXT, {"path": "a/b.txt"})
    assert read["text"] == "Grüße"


@pytest.mark.parametrize(
    ("path", "content", "code"),
    [
        ("a", "x" * 101, "too_large"),
        ("a", "ü" * 51, "too_large"),
        ("a", "a\0b", "binary"),
        ("a", "\ud800", "invalid_arguments"),
        ("a", 1, "invalid_arguments"),
        ("a", None, "invalid_arguments"),
        ("a", ["x"], "invalid_arguments"),
        ("a", b"x", "invalid_arguments"),
        ("..", "x", "outside"),
    ],
)
async def test_what_is_not_written_is_told(
    folder: RootedFolder, tmp_path: Path, path: str, content: Any, code: str
) -> None:
    refused = await refusal(writer(folder), path, content)
    assert refused.code == code
    assert isinstance(refused, ToolDeniedError) == (code == "outside")
    assert contents(tmp_path) == {}


async def test_a_cancelled_write_changes_nothing_once_the_cancellation_is_through(
    folder: RootedFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("old")
    reached, gate = threading.Event(), threading.Event()
    original = os.fsync

    def held(descriptor: int) -> None:
        reached.set()
        assert gate.wait(DEADLINE_SECONDS)
        original(descriptor)

    monkeypatch.setattr(os, "fsync", held)
    writing = asyncio.create_task(write(writer(folder), "file"))
    assert await asyncio.to_thread(reached.wait, DEADLINE_SECONDS)
    writing.cancel()
    done, _ = await asyncio.wait([writing], timeout=0.05)
    assert not done, "it may still write: the cancellation waits for that"
    gate.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert contents(tmp_path) == {"file": "old"}
