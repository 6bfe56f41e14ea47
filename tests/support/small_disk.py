"""Disks that tests may fill, freeze and break; they need root, and say so loudly where there is none."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_CHUNK_BYTES = 64 * 1024


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def _need_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT SHOWN HERE: only root can mount the disk that this test fills or breaks")


def _mount_point() -> Path:
    """Make a folder outside of pytest's: a mount that a killed run leaves must not trip the next one."""
    return Path(tempfile.mkdtemp(prefix="airboss-disk-"))


@contextmanager
def small_disk(mebibytes: int) -> Iterator[Path]:
    """Mount a disk in memory of so many MiB."""
    _need_root()
    folder = _mount_point()
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=700", "tmpfs", str(folder))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"NOT SHOWN HERE: no disk in memory can be mounted: {error}")
    try:
        yield folder
    finally:
        _run("umount", "--lazy", str(folder))
        folder.rmdir()


@contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Take every byte that is left on a disk, until the end of the block."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        size = _CHUNK_BYTES
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    try:
        yield
    finally:
        filler.unlink()


@dataclass(frozen=True)
class BlockDisk:
    """A disk of its own, in a file."""

    image: Path
    folder: Path

    def mount(self) -> None:
        _run("mount", "-o", "loop", str(self.image), str(self.folder))

    def unmount(self) -> None:
        _run("umount", "--lazy", str(self.folder))

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let every write hang, as when a disk behind a network is away."""
        _run("fsfreeze", "--freeze", str(self.folder))
        try:
            yield
        finally:
            _run("fsfreeze", "--unfreeze", str(self.folder))

    def turn_read_only(self) -> None:
        """Fail as a disk with a bad sector does: the system takes no more writes, of open files either."""
        _run("mount", "-o", "remount,abort", str(self.folder))


@contextmanager
def block_disk() -> Iterator[BlockDisk]:
    """Make and mount a disk of 16 MiB with a file system that can be frozen and aborted."""
    _need_root()
    folder = _mount_point()
    disk = BlockDisk(folder.with_suffix(".img"), folder)
    try:
        with disk.image.open("wb") as file:
            file.truncate(16 * 1024 * 1024)
        _run("mkfs.ext4", "-q", str(disk.image))
        disk.mount()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"NOT SHOWN HERE: no file can be mounted as a disk: {error}")
    try:
        yield disk
    finally:
        disk.unmount()
        folder.rmdir()
        disk.image.unlink()
