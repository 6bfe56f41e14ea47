"""A corpus of hostile paths and a tree that changes all the while: nothing leaves the root, nothing hangs."""

import os
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support import racing_tree
from tests.support.hostile_paths import hostile_paths, links

from airboss.tools.paths import PART_PREFIX, PathRefused
from airboss.tools.resolving import Resolution
from airboss.tools.rooted import RootedFolder

pytestmark = pytest.mark.skipif(
    not hasattr(os, "O_PATH"), reason="the tree needs Linux: /proc, mknod, O_PATH"
)

SECRET = "OUTSIDE SECRET"
INSIDE = "inside"
CAP = 4096
RACE_SECONDS = 4.0
#: No call waits for anything: this is for a machine that is busy.
HANG_SECONDS = 10.0
#: Corpus and races together ask at least so many.
MIN_PATHS = 300


@pytest.fixture(params=list(Resolution))
def base(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A root full of traps, beside the place they lead to."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(SECRET)
    (outside / "only-outside").write_text(SECRET)
    docs = tmp_path / "root" / "docs"
    docs.mkdir(parents=True)
    (docs.parent / "notes.txt").write_text(INSIDE)
    (docs / "guide.txt").write_text(INSIDE)
    for folder in (docs.parent, docs):
        os.mkfifo(folder / "fifo")
        os.mknod(folder / "socket", stat.S_IFSOCK | 0o600)
    for name, target in links(tmp_path).items():
        (docs.parent / name).symlink_to(target)
    return tmp_path


@pytest.fixture
def folder(base: Path, request: pytest.FixtureRequest) -> RootedFolder:
    return RootedFolder(base / "root", resolution=Resolution(request.node.callspec.params["base"]))


def outside_of(base: Path) -> dict[str, tuple[int, int, str]]:
    """Everything beside the root: mode, time of change and content."""
    found = {}
    for path in sorted(base.rglob("*")):
        if path == base / "root" or (base / "root") in path.parents or path.name.startswith("spare"):
            continue
        seen = path.lstat()
        content = path.read_text() if stat.S_ISREG(seen.st_mode) else ""
        found[str(path.relative_to(base))] = (seen.st_mode, seen.st_mtime_ns, content)
    return found


class Tally:
    """Counts calls, what became of them, escapes and hangs."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.escapes: list[str] = []
        self.hangs: list[str] = []

    @property
    def calls(self) -> int:
        return sum(self.outcomes.values())

    def count(self, name: str, path: str, operation: Callable[[], str]) -> None:
        began = time.monotonic()
        try:
            shown = operation()
            outcome = "done"
        except PathRefused as refused:
            shown, outcome = str(refused), refused.code
        if time.monotonic() - began > HANG_SECONDS:
            self.hangs.append(f"{name} {path!r}")
        if SECRET in shown or "only-outside" in shown:
            self.escapes.append(f"{name} {path!r}: {shown[:80]}")
        shown.encode()
        self.outcomes[f"{name} {outcome}"] += 1

    def try_all(self, folder: RootedFolder, path: str) -> None:
        self.count("list", path, lambda: _names(folder, path))
        self.count("read", path, lambda: folder.read_file(path, max_bytes=CAP).text)
        self.count("write", path, lambda: folder.write_file(path, b"written", max_bytes=CAP).path)


def _names(folder: RootedFolder, path: str) -> str:
    return "\n".join(entry.name for entry in folder.list_directory(path, max_entries=100).entries)


def test_the_corpus_is_long_and_each_path_stands_once(tmp_path: Path) -> None:
    corpus = hostile_paths(tmp_path)
    assert len(corpus) == len(set(corpus)) >= MIN_PATHS


def test_no_path_of_the_corpus_leads_out_or_hangs(
    folder: RootedFolder, base: Path, record_property: Callable[[str, object], None]
) -> None:
    before, tally = outside_of(base), Tally()
    for path in hostile_paths(base):
        tally.try_all(folder, path)
    assert (tally.escapes, tally.hangs) == ([], [])
    assert outside_of(base) == before
    assert all(f"{name} done" in tally.outcomes for name in ("list", "read", "write"))
    assert tally.outcomes["write symlink"] >= len(links(base))
    assert _leftovers(base / "root") == []
    record_property("calls", tally.calls)


def _leftovers(root: Path) -> list[str]:
    return [str(path) for path in root.rglob(f"{PART_PREFIX.decode()}*")]


@contextmanager
def racing(base: Path) -> Iterator[None]:
    """Let another process change the tree during the block."""
    racing_tree.restock(base / "root")
    process = subprocess.Popen(
        [sys.executable, racing_tree.__file__, str(base)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "racing\n"
        yield
        process.stdin.close()
        assert int(process.stdout.readline()) > 50, "the tree hardly changed"
        assert process.wait(HANG_SECONDS) == 0
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def test_a_tree_that_changes_all_the_while_never_leads_out_or_hangs(
    folder: RootedFolder, base: Path, record_property: Callable[[str, object], None]
) -> None:
    before, tally = outside_of(base), Tally()
    paths = [
        f"{child}{below}" for child in racing_tree.CHILDREN for below in ("", "/secret.txt", "/new/file")
    ]
    paths += [f"{child}/{name}" for child in racing_tree.CHILDREN for name in racing_tree.FILES]
    with racing(base):
        end = time.monotonic() + RACE_SECONDS
        while time.monotonic() < end:
            for path in paths:
                tally.try_all(folder, path)
    assert (tally.escapes, tally.hangs) == ([], [])
    assert outside_of(base) == before
    for met in ("read done", "read symlink", "read special", "write done", "write symlink", "list done"):
        assert tally.outcomes[met], f"{met} was never met: {tally.outcomes}"
    record_property("calls", tally.calls)
