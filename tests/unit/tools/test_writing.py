"""Files are written in one step, inside the root, and nothing else is left behind."""

import errno
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airboss.tools import resolving, writing
from airboss.tools.paths import MAX_WRITTEN_DEPTH, PART_PREFIX, PathRefused
from airboss.tools.resolving import Resolution
from airboss.tools.rooted import RootedFolder, WrittenFile

pytestmark = pytest.mark.skipif(not hasattr(os, "O_PATH"), reason="the tree needs Linux: /proc, O_PATH")

CAP = 4096
OUTSIDE = b"OUTSIDE"


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(autouse=True)
def _no_descriptor_is_left_open() -> Iterator[None]:
    before = names_in(Path("/proc/self/fd"))
    yield
    assert len(names_in(Path("/proc/self/fd"))) == len(before)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A root with links that lead out, beside the place they lead to."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(OUTSIDE)
    root = tmp_path / "root"
    (root / "box").mkdir(parents=True)
    (root / "notes.txt").write_bytes(b"old")
    (root / "to-file").symlink_to(outside / "file")
    (root / "to-new").symlink_to(outside / "new")
    (root / "to-folder").symlink_to(outside)
    (root / "box" / "up").symlink_to("..")
    (root / "hard").hardlink_to(outside / "file")
    os.mkfifo(root / "fifo")
    os.mknod(root / "socket", stat.S_IFSOCK | 0o600)
    return tmp_path


@pytest.fixture(params=list(Resolution))
def folder(request: pytest.FixtureRequest, base: Path) -> RootedFolder:
    return RootedFolder(base / "root", resolution=Resolution(request.param))


@pytest.fixture
def root(base: Path) -> Path:
    return base / "root"


def snapshot(top: Path) -> dict[str, tuple[int, bytes | str]]:
    """Everything below a folder: mode, and content or target."""
    found: dict[str, tuple[int, bytes | str]] = {}
    for path in sorted(top.rglob("*")):
        mode = path.lstat().st_mode
        content: bytes | str = ""
        if stat.S_ISREG(mode):
            content = path.read_bytes()
        elif stat.S_ISLNK(mode):
            content = str(path.readlink())
        found[str(path.relative_to(top))] = (mode, content)
    return found


def write(folder: RootedFolder, path: str, content: bytes = b"new", **options: Any) -> WrittenFile:
    return folder.write_file(path, content, max_bytes=CAP, **options)


def refusal(folder: RootedFolder, path: str, content: bytes = b"new", **options: Any) -> PathRefused:
    with pytest.raises(PathRefused) as caught:
        write(folder, path, content, **options)
    return caught.value


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


# What works


def test_a_new_file_is_made_for_its_owner_only(folder: RootedFolder, root: Path) -> None:
    assert write(folder, "box/new.txt") == WrittenFile("box/new.txt", 3, created=True)
    assert (root / "box" / "new.txt").read_bytes() == b"new"
    assert mode_of(root / "box" / "new.txt") == 0o600
    assert names_in(root / "box") == ["new.txt", "up"]


def test_a_file_is_replaced_whole_and_keeps_its_permissions(folder: RootedFolder, root: Path) -> None:
    (root / "notes.txt").chmod(0o4754)
    inode = (root / "notes.txt").stat().st_ino
    assert write(folder, "./notes.txt", b"") == WrittenFile("notes.txt", 0, created=False)
    assert (root / "notes.txt").read_bytes() == b""
    assert mode_of(root / "notes.txt") == 0o754, "without the right to run as its owner"
    assert (root / "notes.txt").stat().st_ino != inode


def test_missing_folders_are_made_for_their_owner_only(folder: RootedFolder, root: Path) -> None:
    assert write(folder, "box/a/b/c.txt").created
    assert (root / "box" / "a" / "b" / "c.txt").read_bytes() == b"new"
    assert mode_of(root / "box" / "a") == mode_of(root / "box" / "a" / "b") == 0o700


def test_a_hard_link_is_replaced_and_not_written_through(folder: RootedFolder, base: Path) -> None:
    write(folder, "hard")
    assert (base / "root" / "hard").read_bytes() == b"new"
    assert (base / "outside" / "file").read_bytes() == OUTSIDE


def test_who_has_the_old_file_open_goes_on_reading_it(folder: RootedFolder, root: Path) -> None:
    with (root / "notes.txt").open("rb") as opened:
        write(folder, "notes.txt")
        assert opened.read() == b"old"


def test_exactly_the_cap_is_written(folder: RootedFolder, root: Path) -> None:
    write(folder, "big", b"x" * CAP)
    assert refusal(folder, "big", b"y" * (CAP + 1)).code == "too_large"
    assert (root / "big").read_bytes() == b"x" * CAP


def test_a_path_may_be_so_many_names_deep(folder: RootedFolder, root: Path) -> None:
    write(folder, "d/" * (MAX_WRITTEN_DEPTH - 1) + "file")
    before = snapshot(root)
    assert refusal(folder, "e/" * MAX_WRITTEN_DEPTH + "file").code == "invalid_path"
    assert snapshot(root) == before


def test_a_folder_takes_so_many_names(
    folder: RootedFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert writing.MAX_FOLDER_ENTRIES == 10_000
    monkeypatch.setattr(writing, "MAX_FOLDER_ENTRIES", 20)
    full = root / "full"
    full.mkdir()
    for number in range(19):
        (full / str(number)).touch()
    write(folder, "full/last")
    assert refusal(folder, "full/one-more").code == "folder_full"
    assert refusal(folder, "full/folder/file").code == "folder_full"
    assert not write(folder, "full/0").created, "what is there can be replaced"


# What is refused


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("to-file", "symlink"),
        ("to-new", "symlink"),
        ("to-folder", "symlink"),
        ("to-folder/file", "symlink"),
        ("to-folder/new", "symlink"),
        ("to-folder/a/new", "symlink"),
        ("box/up/notes.txt", "symlink"),
        ("fifo", "special"),
        ("socket", "special"),
        ("fifo/x", "not_a_directory"),
        ("notes.txt/x", "not_a_directory"),
        ("notes.txt/x/y", "not_a_directory"),
        ("notes.txt/", "is_a_directory"),
        ("new/", "is_a_directory"),
        ("new/.", "is_a_directory"),
        ("box", "is_a_directory"),
        ("", "is_a_directory"),
        (".", "is_a_directory"),
        ("..", "outside"),
        ("../outside/new", "outside"),
        ("box/../../outside/new", "outside"),
        ("/etc/cron.d/x", "outside"),
        ("//etc/x", "outside"),
        ("a//b", "invalid_path"),
        ("a\0b", "invalid_path"),
        ("\ud800", "invalid_path"),
        ("a" * 256, "invalid_path"),
        ("a/" * 2100, "invalid_path"),
        ("line\nbreak", "invalid_path"),
        ("\x1b[2J", "invalid_path"),
        ("gpj\u202e.sh", "invalid_path"),
        ("zero\u200bwidth", "invalid_path"),
        (f"{PART_PREFIX.decode()}0123456789abcdef", "invalid_path"),
        (f"box/{PART_PREFIX.decode()}x", "invalid_path"),
    ],
)
def test_other_paths_are_refused_and_change_nothing(
    folder: RootedFolder, base: Path, path: str, code: str
) -> None:
    before = snapshot(base)
    refused = refusal(folder, path)
    assert refused.code == code
    assert str(base) not in str(refused)
    str(refused).encode()
    assert snapshot(base) == before


def test_a_write_protected_file_is_left_alone(folder: RootedFolder, root: Path) -> None:
    (root / "notes.txt").chmod(0o444)
    assert refusal(folder, "notes.txt").code == "denied"
    assert (root / "notes.txt").read_bytes() == b"old"


def test_a_folder_named_like_the_file_meanwhile_is_left_alone(
    folder: RootedFolder, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rename itself refuses: what was looked at before counts no more."""
    original = os.rename

    def rename(*args: Any, **options: Any) -> None:
        (root / "late").mkdir()
        original(*args, **options)

    monkeypatch.setattr(os, "rename", rename)
    assert refusal(folder, "late").code == "is_a_directory"
    assert names_in(root / "late") == []
    assert not [name for name in names_in(root) if name.startswith(PART_PREFIX.decode())]


def test_a_folder_moved_out_meanwhile_gets_nothing(
    folder: RootedFolder, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.fsync
    left = [lambda: (base / "root" / "box").rename(base / "outside" / "box")]

    def fsync(descriptor: int) -> None:
        original(descriptor)
        if left:
            left.pop()()

    monkeypatch.setattr(os, "fsync", fsync)
    assert refusal(folder, "box/new").code in {"busy", "not_found"}
    assert names_in(base / "outside" / "box") == ["up"]


def test_a_folder_replaced_by_a_link_meanwhile_is_not_followed(
    folder: RootedFolder, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = base / "root"

    def swap() -> None:
        (root / "box").rename(root / "away")
        (root / "box").symlink_to(base / "outside")

    before = snapshot(base / "outside")
    left: list[Callable[[], None]] = [swap]
    original = os.fchmod

    def fchmod(descriptor: int, mode: int) -> None:
        if left:
            left.pop()()
        original(descriptor, mode)

    monkeypatch.setattr(os, "fchmod", fchmod)
    assert refusal(folder, "box/new").code == "symlink"
    assert snapshot(base / "outside") == before
    assert names_in(root / "away") == ["up"]


# Failures


WRITING_CALLS = [
    "open",
    "dup",
    "fstat",
    "stat",
    "fchmod",
    "write",
    "fsync",
    "link",
    "rename",
    "mkdir",
    "scandir",
]


@pytest.mark.parametrize("call", WRITING_CALLS)
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOSPC, errno.EACCES])
def test_any_call_that_fails_is_a_refusal_and_leaves_nothing(
    base: Path, folder: RootedFolder, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    original = getattr(os, call)
    calls, failing = 0, 10**9

    def hooked(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(number, os.strerror(number), str(base))
        return original(*args, **options)

    before = snapshot(base)
    for path in ("notes.txt", "box/new", "fresh/deeper/new"):
        calls, failing = 0, 10**9
        monkeypatch.setattr(os, call, hooked)
        write(folder, path)
        needed = calls
        monkeypatch.undo()
        remove(base, before)
        for failing in range(1, needed + 1):  # noqa: B007  read by the hook
            calls = 0
            monkeypatch.setattr(os, call, hooked)
            refused = refusal(folder, path)
            monkeypatch.undo()
            assert str(base) not in str(refused)
            after = snapshot(base)
            if call == "fsync" and path_written(base, path):
                remove(base, before)
                continue  # only the folder's own fsync, behind the rename, failed
            assert after == before


def path_written(base: Path, path: str) -> bool:
    target = base / "root" / path
    return target.exists() and target.read_bytes() == b"new"


def remove(base: Path, before: dict[str, tuple[int, bytes | str]]) -> None:
    """Take away what a write made, and put back what it replaced."""
    for name in sorted(snapshot(base).keys() - before.keys(), reverse=True):
        path = base / name
        path.rmdir() if path.is_dir() else path.unlink()
    notes = base / "root" / "notes.txt"
    mode, _ = before["root/notes.txt"]
    notes.write_bytes(b"old")
    notes.chmod(stat.S_IMODE(mode))
    assert snapshot(base) == before


def test_a_write_that_is_stopped_changes_nothing(base: Path, folder: RootedFolder) -> None:
    asked = 0

    def after(times: int) -> Callable[[], bool]:
        def should_stop() -> bool:
            nonlocal asked
            asked += 1
            return asked > times

        return should_stop

    before = snapshot(base)
    for path in ("notes.txt", "fresh/deeper/new"):
        for times in range(10):
            asked = 0
            try:
                write(folder, path, should_stop=after(times))
            except PathRefused:
                assert snapshot(base) == before
            else:
                assert times > 1
                break
        else:
            raise AssertionError("it is asked for ever")
        remove(base, before)


@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL])
def test_where_no_file_goes_without_a_name_one_with_a_name_is_used(
    root: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    original = os.open

    def without_unnamed(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(number, os.strerror(number))
        return original(path, flags, *args, **options)

    monkeypatch.setattr(os, "open", without_unnamed)
    folder = RootedFolder(root, resolution=Resolution.WALK)
    assert write(folder, "new").created
    assert not [name for name in names_in(root) if name.startswith(PART_PREFIX.decode())]


def test_without_proc_writing_says_what_to_do(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_proc(*args: Any, **options: Any) -> None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))

    monkeypatch.setattr(os, "link", no_proc)
    refused = refusal(RootedFolder(root, resolution=Resolution.WALK), "new")
    assert (refused.code, "mount /proc" in str(refused)) == ("unavailable", True)


def test_off_linux_files_are_written_too(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "_O_PATH", 0)
    monkeypatch.setattr(writing, "_O_TMPFILE", 0)
    folder = RootedFolder(root, resolution=Resolution.WALK_WITHOUT_O_PATH)
    assert write(folder, "box/deep/new").created


def test_writers_of_one_file_never_mix(folder: RootedFolder, root: Path) -> None:
    contents = [bytes([letter]) * CAP for letter in b"abcdefgh"]

    def write_often(content: bytes) -> None:
        for _ in range(20):
            write(folder, "shared/file", content)

    threads = [threading.Thread(target=write_often, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    seen = set()
    while any(thread.is_alive() for thread in threads):
        try:
            seen.add(folder.read_file("shared/file", max_bytes=CAP).text.encode())
        except PathRefused as refused:
            seen.add(refused.code.encode())
    for thread in threads:
        thread.join()
    assert seen <= {*contents, b"not_found", b"busy"}
    assert names_in(root / "shared") == ["file"]
