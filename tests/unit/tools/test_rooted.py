"""The file tools stay in their root, follow no link and never block, whatever the path and the tree do."""

import ctypes
import errno
import fcntl
import os
import signal
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airboss.tools import openat2, resolving, rooted
from airboss.tools.paths import PathRefused
from airboss.tools.resolving import Resolution
from airboss.tools.rooted import Entry, FileText, Listing, RootedFolder

pytestmark = pytest.mark.skipif(
    not hasattr(os, "O_PATH"), reason="the tree needs Linux: /proc, mknod, O_PATH"
)

INSIDE = "inside\n"
OUTSIDE = "OUTSIDE SECRET\n"
UNICODE_NAME = "naïve—файл-文件.txt"
CAP = 4096
DEPTH = 2040
RACE_ROUNDS = 300


def openat2_works() -> bool:
    root = os.open("/", os.O_PATH)
    try:
        return openat2.is_supported(root)
    finally:
        os.close(root)


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def open_descriptors() -> set[str]:
    return names_in(Path("/proc/self/fd"))


@pytest.fixture(autouse=True)
def _no_descriptor_is_left_open() -> Iterator[None]:
    before = open_descriptors()
    yield
    assert open_descriptors() == before


@pytest.fixture(params=list(Resolution), scope="module")
def resolution(request: pytest.FixtureRequest) -> Resolution:
    wanted = Resolution(request.param)
    if wanted is Resolution.OPENAT2 and not openat2_works():
        pytest.skip("this kernel or its seccomp filter has no openat2: ONLY THE WALKS ARE TESTED")
    return wanted


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root full of traps, beside the place they lead to."""
    base = tmp_path_factory.mktemp("rooted")
    (base / "outside" / "docs").mkdir(parents=True)
    (base / "outside" / "secret.txt").write_text(OUTSIDE)
    (base / "outside" / "docs" / "guide.txt").write_text(OUTSIDE)
    root = base / "root"
    (root / "docs" / "deep" / "er").mkdir(parents=True)
    for name in ("notes.txt", "docs/guide.txt", "docs/deep/leaf.txt", "docs/deep/er/leaf.txt", *odd_names()):
        (root / name).write_text(INSIDE)
    for name, target in links(base).items():
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo")
    os.mknod(root / "socket", stat.S_IFSOCK | 0o600)
    return root


def odd_names() -> list[str]:
    return [
        UNICODE_NAME,
        "back\\slash.txt",
        "..\\notes.txt",
        " ",
        "...",
        "..a",
        ".hidden",
        "line\nbreak",
        "~",
        "%2e",
    ]


def links(base: Path) -> dict[str, str]:
    secret = str(base / "outside" / "secret.txt")
    return {
        "to-secret": secret,
        "to-secret-relative": "../outside/secret.txt",
        "to-outside": str(base / "outside"),
        "to-outside-relative": "../outside",
        "to-notes": "notes.txt",
        "to-docs": "docs",
        "to-self-folder": ".",
        "up": "..",
        "slash": "/",
        "dangling": "nowhere",
        "loop": "loop",
        "loop-a": "loop-b",
        "loop-b": "loop-a",
        "proc-root": "/proc/self/root",
        "proc-cwd": "/proc/self/cwd",
        "proc-fd": "/proc/self/fd/0",
        "docs/to-secret": "../../outside/secret.txt",
        "docs/to-outside": "../../outside",
        "docs/deep/to-secret": secret,
        "docs/deep/to-outside": str(base / "outside"),
        "docs/deep/er/to-notes": "../../../notes.txt",
        "docs/deep/er/to-root": "../../..",
    }


@pytest.fixture
def folder(tree: Path, resolution: Resolution) -> RootedFolder:
    return RootedFolder(tree, resolution=resolution)


def refusal(operation: Callable[[], object]) -> PathRefused:
    with pytest.raises(PathRefused) as caught:
        operation()
    return caught.value


def refusals(folder: RootedFolder, path: str) -> set[str]:
    """The codes with which both operations refuse a path."""
    listing = refusal(lambda: folder.list_directory(path, max_entries=CAP))
    reading = refusal(lambda: folder.read_file(path, max_bytes=CAP))
    return {listing.code, reading.code}


# What works


@pytest.mark.parametrize(
    "path",
    ["notes.txt", "./notes.txt", "docs/guide.txt", "docs/./guide.txt", "docs/deep/er/leaf.txt", *odd_names()],
)
def test_files_inside_are_read(folder: RootedFolder, path: str) -> None:
    expected = FileText(path.replace("./", ""), INSIDE, len(INSIDE), truncated=False)
    assert folder.read_file(path, max_bytes=CAP) == expected


@pytest.mark.parametrize("path", ["docs", "docs/", "./docs", "docs/.", "docs/./", "././docs"])
def test_a_folder_is_listed_by_name(folder: RootedFolder, path: str) -> None:
    entries = (
        Entry("deep", "directory", None),
        Entry("guide.txt", "file", len(INSIDE)),
        Entry("to-outside", "symlink", None),
        Entry("to-secret", "symlink", None),
    )
    assert folder.list_directory(path, max_entries=CAP) == Listing("docs", entries, truncated=False)


@pytest.mark.parametrize("path", ["", ".", "./", "./."])
def test_an_empty_path_or_a_dot_is_the_root(folder: RootedFolder, tree: Path, path: str) -> None:
    listing = folder.list_directory(path, max_entries=CAP)
    kinds = {entry.name: entry.kind for entry in listing.entries}
    assert listing.path == "."
    assert list(kinds) == sorted(names_in(tree))
    assert (kinds["notes.txt"], kinds["docs"], kinds["up"]) == ("file", "directory", "symlink")
    assert kinds["fifo"] == kinds["socket"] == "other"
    assert refusal(lambda: folder.read_file(path, max_bytes=CAP)).code == "is_a_directory"


def test_a_root_that_is_a_link_is_the_operators_choice(
    tree: Path, tmp_path: Path, resolution: Resolution
) -> None:
    (tmp_path / "link").symlink_to(tree)
    folder = RootedFolder(tmp_path / "link", resolution=resolution)
    assert folder.read_file("notes.txt", max_bytes=CAP).text == INSIDE


def test_a_file_only_its_hard_link_leads_to_is_read(tmp_path: Path, resolution: Resolution) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "elsewhere").write_text(INSIDE)
    (tmp_path / "root" / "hard").hardlink_to(tmp_path / "elsewhere")
    assert (
        RootedFolder(tmp_path / "root", resolution=resolution).read_file("hard", max_bytes=CAP).text == INSIDE
    )


# Ways out


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../",
        "../outside/secret.txt",
        "../root/notes.txt",
        "../../../../../../../../etc/passwd",
        "docs/..",
        "docs/../notes.txt",
        "docs/../../outside/secret.txt",
        "nowhere/../../outside/secret.txt",
        "./../outside",
        "docs/deep/../../../outside",
        "notes.txt/..",
        "/",
        "//",
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/root/etc/passwd",
        "/dev/zero",
    ],
)
def test_paths_that_lead_out_are_refused(folder: RootedFolder, path: str) -> None:
    assert refusals(folder, path) == {"outside"}


def test_an_absolute_path_to_a_file_inside_is_refused(folder: RootedFolder, tree: Path) -> None:
    assert refusals(folder, str(tree / "notes.txt")) == {"outside"}


@pytest.mark.parametrize("link", links(Path("/unused")))
def test_no_symbolic_link_is_followed(folder: RootedFolder, link: str) -> None:
    for below in ("", "/", "/.", "/secret.txt", "/docs/guide.txt", "/notes.txt", "/guide.txt"):
        assert refusals(folder, link + below) == {"symlink"}


@pytest.mark.parametrize(
    "path", ["root", "cwd", "exe", "fd/0", "ns/mnt", "root/etc/passwd", "cwd/pyproject.toml"]
)
def test_no_magic_link_is_followed(resolution: Resolution, path: str) -> None:
    folder = RootedFolder(Path(f"/proc/{os.getpid()}"), resolution=resolution)
    assert refusals(folder, path) == {"symlink"}


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("notes.txt\0", "invalid_path"),
        ("\0", "invalid_path"),
        ("notes.txt\0/../../outside/secret.txt", "invalid_path"),
        ("\ud800", "invalid_path"),
        ("docs/\udcff.txt", "invalid_path"),
        ("\udc2e\udc2e/outside/secret.txt", "invalid_path"),
        ("docs//guide.txt", "invalid_path"),
        ("docs//", "invalid_path"),
        (".//etc/passwd", "invalid_path"),
        ("a" * 256, "invalid_path"),
        ("ä" * 128, "invalid_path"),
        ("a/" * 2048, "invalid_path"),
        ("ä/" * 1366, "invalid_path"),
        ("a" * 10_000_000, "invalid_path"),
        ("a" * 255, "not_found"),
        ("a/" * 2047 + "a", "not_found"),
        ("\uff0e\uff0e/outside/secret.txt", "not_found"),
        ("..\u2215outside", "not_found"),
        (".\u200b./outside", "not_found"),
        ("\u202e../outside", "not_found"),
        ("..%2foutside%2fsecret.txt", "not_found"),
        ("%2e%2e/outside/secret.txt", "not_found"),
        ("..\\outside\\secret.txt", "not_found"),
        ("..\\..\\..", "not_found"),
        ("C:\\Windows", "not_found"),
        ("~root", "not_found"),
        ("$HOME", "not_found"),
        ("docs ", "not_found"),
        ("nai\u0308ve—файл-文件.txt", "not_found"),
        ("nowhere/at/all", "not_found"),
        ("notes.txt/x", "not_a_directory"),
        ("fifo/x", "not_a_directory"),
        ("socket/x", "not_a_directory"),
        ("fifo", "special"),
        ("fifo/", "special"),
        ("socket", "special"),
    ],
)
def test_odd_paths_are_refused_for_what_they_are(folder: RootedFolder, path: str, code: str) -> None:
    assert refusals(folder, path) == {code}


@pytest.mark.parametrize("path", ["notes.txt/", "notes.txt/.", "notes.txt/./"])
def test_a_file_named_as_a_folder_is_refused(folder: RootedFolder, path: str) -> None:
    assert refusals(folder, path) == {"not_a_directory"}


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root with a file at the end of the longest path, taken down here because shutil.rmtree recurses."""
    root = tmp_path_factory.mktemp("deep")
    current = os.open(root, os.O_PATH)
    for _ in range(DEPTH):
        os.mkdir("d", dir_fd=current)
        current = instead_of(current, "d")
    with os.fdopen(os.open("leaf", os.O_WRONLY | os.O_CREAT, dir_fd=current), "w") as leaf:
        leaf.write(INSIDE)
    yield root
    os.unlink("leaf", dir_fd=current)
    for _ in range(DEPTH):
        current = instead_of(current, "..")
        os.rmdir("d", dir_fd=current)
    os.close(current)


def instead_of(directory: int, name: str) -> int:
    other = os.open(name, os.O_PATH, dir_fd=directory)
    os.close(directory)
    return other


def test_deep_nesting_is_read_down_to_the_longest_path(deep: Path, resolution: Resolution) -> None:
    folder = RootedFolder(deep, resolution=resolution)
    assert folder.read_file("d/" * DEPTH + "leaf", max_bytes=CAP).text == INSIDE
    assert folder.list_directory("d/" * DEPTH, max_entries=CAP).entries == (
        Entry("leaf", "file", len(INSIDE)),
    )


# Messages


@pytest.mark.parametrize(
    "path", ["", "nowhere", "to-secret", "../x", "/x", "fifo", "docs", "notes.txt/x", "a\0"]
)
def test_messages_reveal_no_place_on_the_host(folder: RootedFolder, tree: Path, path: str) -> None:
    message = str(refusal(lambda: folder.read_file(path, max_bytes=CAP)))
    assert str(tree.parent) not in message
    assert "/proc" not in message
    assert message.endswith(".")


def test_messages_stay_short_and_encodable(folder: RootedFolder) -> None:
    for path in ("a" * 10_000_000, "\ud800" * 3000, "\n\x1b[31m\u202e"):
        message = str(refusal(lambda path=path: folder.read_file(path, max_bytes=CAP)))  # type: ignore[misc]
        assert len(message.encode()) < 2000
        assert message.isprintable()


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_the_programs_fault(folder: RootedFolder, limit: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        folder.read_file("notes.txt", max_bytes=limit)
    with pytest.raises(ValueError, match="at least 1"):
        folder.list_directory(".", max_entries=limit)


# The root


@pytest.mark.parametrize(
    ("name", "advice"),
    [("missing", "create it, or set tools.files.root"), ("file", "set tools.files.root to one")],
)
def test_an_unusable_root_says_what_to_do(
    tmp_path: Path, resolution: Resolution, name: str, advice: str
) -> None:
    (tmp_path / "file").write_text(INSIDE)
    folder = RootedFolder(tmp_path / name, resolution=resolution)
    refused = refusal(lambda: folder.list_directory(".", max_entries=CAP))
    assert refused.code == "root_unusable"
    assert advice in str(refused)
    assert str(tmp_path) not in str(refused)


def test_a_root_is_opened_at_each_operation(tmp_path: Path, resolution: Resolution) -> None:
    root = tmp_path / "later"
    folder = RootedFolder(root, resolution=resolution)
    assert refusals(folder, ".") == {"root_unusable"}
    root.mkdir()
    (root / "notes.txt").write_text(INSIDE)
    assert folder.read_file("notes.txt", max_bytes=CAP).text == INSIDE
    root.rename(tmp_path / "gone")
    assert refusals(folder, "notes.txt") == {"root_unusable"}


# Content and caps


def written(tmp_path: Path, content: bytes, resolution: Resolution) -> RootedFolder:
    (tmp_path / "file").write_bytes(content)
    return RootedFolder(tmp_path, resolution=resolution)


@pytest.mark.parametrize(
    ("content", "cap", "text"),
    [
        (b"", 1, ""),
        (b"abc", 3, "abc"),
        (b"abcd", 3, "abc"),
        ("aé".encode(), 2, "a"),
        ("aé".encode(), 3, "aé"),
        ("é".encode(), 1, ""),
        ("a文b".encode(), 2, "a"),
        ("a文b".encode(), 3, "a"),
        ("a文b".encode(), 4, "a文"),
        ("a😀".encode(), 4, "a"),
        ("a😀".encode(), 5, "a😀"),
        (b"abc\xff", 3, "abc"),
        (b"abc\0", 3, "abc"),
    ],
)
def test_a_character_cut_at_the_cap_is_left_out(
    tmp_path: Path, resolution: Resolution, content: bytes, cap: int, text: str
) -> None:
    result = written(tmp_path, content, resolution).read_file("file", max_bytes=cap)
    assert result == FileText("file", text, len(content), truncated=len(content) > cap)


@pytest.mark.parametrize(
    ("content", "cap"),
    [
        (b"a\0b", CAP),
        (b"\xff\xfea\0", CAP),
        (b"abc\xff", CAP),
        (b"abc\xc3", CAP),
        (b"abc\xe2\x82", 5),
        (b"\xc0\xae\xc0\xae", CAP),
        (b"\xed\xa0\x80", CAP),
        (b"\xffabcdef", 3),
        (b"ab\xffdef", 3),
    ],
)
def test_a_binary_file_is_refused(tmp_path: Path, resolution: Resolution, content: bytes, cap: int) -> None:
    folder = written(tmp_path, content, resolution)
    assert refusal(lambda: folder.read_file("file", max_bytes=cap)).code == "binary"


def test_of_a_huge_file_only_the_cap_is_read(
    tmp_path: Path, resolution: Resolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = written(tmp_path, b"x" * 3_000_000, resolution)
    os.truncate(tmp_path / "file", 1 << 40)
    asked: list[int] = []
    read = os.read

    def counted(file: int, size: int) -> bytes:
        asked.append(size)
        return read(file, size)

    monkeypatch.setattr(os, "read", counted)
    result = folder.read_file("file", max_bytes=1_000_000)
    assert (len(result.text), result.size_bytes, result.truncated) == (1_000_000, 1 << 40, True)
    assert sum(asked) == 1_000_001


def test_a_large_cap_costs_no_memory(tmp_path: Path, resolution: Resolution) -> None:
    assert written(tmp_path, b"abc", resolution).read_file("file", max_bytes=1 << 60).text == "abc"


def test_a_listing_is_cut_after_sorting(tmp_path: Path, resolution: Resolution) -> None:
    names = [f"{number:03}" for number in range(50)]
    for name in reversed(names):
        (tmp_path / name).touch()
    folder = RootedFolder(tmp_path, resolution=resolution)
    for cap, truncated in ((49, True), (50, False), (51, False)):
        listing = folder.list_directory(".", max_entries=cap)
        assert [entry.name for entry in listing.entries] == names[:cap]
        assert listing.truncated is truncated


def test_a_listing_scans_a_bounded_number_of_names(
    tmp_path: Path, resolution: Resolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        (tmp_path / str(number)).touch()
    folder = RootedFolder(tmp_path, resolution=resolution)
    for bound, truncated in ((5, True), (6, False)):
        monkeypatch.setattr(rooted, "MAX_SCANNED_ENTRIES", bound)
        listing = folder.list_directory(".", max_entries=CAP)
        assert (len(listing.entries), listing.truncated) == (bound, truncated)


def test_a_name_that_is_not_utf8_is_listed_encodably(tmp_path: Path, resolution: Resolution) -> None:
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff"))).touch()
    (entry,) = RootedFolder(tmp_path, resolution=resolution).list_directory(".", max_entries=CAP).entries
    assert entry == Entry("bad\ufffd", "file", 0)


# What blocks or has side effects


class Opens:
    """Counts real opens of one file, which O_PATH is not, by inotify(7)."""

    IN_OPEN = 0x20

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        assert libc.inotify_add_watch(self.descriptor, os.fsencode(path), self.IN_OPEN) > 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.descriptor)

    def any(self) -> bool:
        try:
            return bool(os.read(self.descriptor, 4096))
        except BlockingIOError:
            return False


@pytest.mark.parametrize("name", ["fifo", "socket"])
def test_special_files_are_not_even_opened(folder: RootedFolder, tree: Path, name: str) -> None:
    with Opens(tree / name) as opens:
        assert refusals(folder, name) == {"special"}
        assert not opens.any()


def test_the_count_of_opens_sees_a_real_one(folder: RootedFolder, tree: Path) -> None:
    with Opens(tree / "notes.txt") as opens:
        folder.read_file("notes.txt", max_bytes=CAP)
        assert opens.any()


@pytest.mark.parametrize(
    ("kind", "major", "minor"),
    [(stat.S_IFCHR, 1, 3), (stat.S_IFCHR, 1, 5), (stat.S_IFCHR, 5, 0), (stat.S_IFBLK, 7, 200)],
    ids=["null", "zero", "tty", "block"],
)
def test_devices_are_not_even_opened(
    tmp_path: Path, resolution: Resolution, kind: int, major: int, minor: int
) -> None:
    device = tmp_path / "device"
    try:
        os.mknod(device, kind | 0o666, os.makedev(major, minor))
    except PermissionError:
        pytest.skip("making a device node takes CAP_MKNOD: DEVICES ARE NOT TESTED")
    folder = RootedFolder(tmp_path, resolution=resolution)
    with Opens(device) as opens:
        assert refusals(folder, "device") == {"special"}
        assert not opens.any()
    assert folder.list_directory(".", max_entries=CAP).entries == (Entry("device", "other", None),)


def test_devices_of_the_host_are_refused(resolution: Resolution) -> None:
    assert refusals(RootedFolder(Path("/dev"), resolution=resolution), "zero") == {"special"}


def test_a_file_under_a_lease_does_not_block(tmp_path: Path, resolution: Resolution) -> None:
    folder = written(tmp_path, b"abc", resolution)
    with (tmp_path / "file").open("r+") as held:
        # SIGURG, because the usual SIGIO would end this process when the lease is broken.
        fcntl.fcntl(held, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        assert refusal(lambda: folder.read_file("file", max_bytes=CAP)).code == "busy"
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    assert folder.read_file("file", max_bytes=CAP).text == "abc"


def test_what_the_server_may_not_read_is_refused(tmp_path: Path, resolution: Resolution) -> None:
    folder = written(tmp_path, b"abc", resolution)
    (tmp_path / "file").chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    if os.access(tmp_path / "file", os.R_OK):
        pytest.skip("root may read everything: PERMISSIONS ARE NOT TESTED")
    assert refusal(lambda: folder.read_file("file", max_bytes=CAP)).code == "denied"
    assert refusal(lambda: folder.list_directory("closed", max_entries=CAP)).code == "denied"
    assert refusals(folder, "closed/file") == {"denied"}


# Races


Swap = Callable[[Path], None]


def exchange(one: Path, other: Path) -> Swap:
    def swap(root: Path) -> None:
        spare = root / "spare"
        (root / one).rename(spare)
        (root / other).rename(root / one)
        spare.rename(root / other)

    return swap


@pytest.fixture
def contested(tmp_path: Path) -> Path:
    """A root whose `box` and `box/file` have evil twins under the names `link`, `twin`, `fifo`."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").write_text(OUTSIDE)
    (tmp_path / "outside" / "only-outside").touch()
    root = tmp_path / "root"
    (root / "box").mkdir(parents=True)
    (root / "box" / "file").write_text(INSIDE)
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "twin").symlink_to(tmp_path / "outside" / "file")
    os.mkfifo(root / "fifo")
    return root


SWAPS = {
    "folder and link": exchange(Path("box"), Path("link")),
    "file and link": exchange(Path("box/file"), Path("twin")),
    "file and fifo": exchange(Path("box/file"), Path("fifo")),
}


@contextmanager
def swapping(swap: Swap, root: Path) -> Iterator[None]:
    stopped = threading.Event()

    def run() -> None:
        while not stopped.is_set():
            swap(root)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS)
def test_a_racing_process_never_leads_out(contested: Path, resolution: Resolution, swap: Swap) -> None:
    folder = RootedFolder(contested, resolution=resolution)
    seen: set[str] = set()
    with swapping(swap, contested):
        for done in range(20 * RACE_ROUNDS):
            seen.add(outcome(lambda: folder.read_file("box/file", max_bytes=CAP).text))
            seen.add(outcome(lambda: shown_names(folder.list_directory("box", max_entries=CAP))))
            # On a busy machine the other thread may get its first turn late.
            if done >= RACE_ROUNDS and INSIDE in seen and seen & REFUSED_IN_A_RACE:
                break
    assert seen <= {INSIDE, "file", ""} | REFUSED_IN_A_RACE
    assert INSIDE in seen
    assert seen & REFUSED_IN_A_RACE, "the race was not met"


REFUSED_IN_A_RACE = {"symlink", "not_found", "special", "busy"}


def outcome(operation: Callable[[], str]) -> str:
    try:
        return operation()
    except PathRefused as refused:
        return refused.code


def shown_names(listing: Listing) -> str:
    return " ".join(entry.name for entry in listing.entries)


def once_after(monkeypatch: pytest.MonkeyPatch, name: str, action: Callable[[], None]) -> None:
    """Let `action` happen right after the first call of a function of os."""
    original = getattr(os, name)
    left = [action]

    def hooked(*args: Any, **options: Any) -> Any:
        result = original(*args, **options)
        if left:
            left.pop()()
        return result

    monkeypatch.setattr(os, name, hooked)


@pytest.mark.parametrize("swap", SWAPS.values(), ids=SWAPS)
def test_a_swap_after_the_look_at_the_type_changes_nothing(
    contested: Path, resolution: Resolution, swap: Swap, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RootedFolder(contested, resolution=resolution)
    once_after(monkeypatch, "fstat", lambda: swap(contested))
    assert folder.read_file("box/file", max_bytes=CAP).text == INSIDE


@pytest.mark.parametrize(
    ("swap", "code"), [("file and link", "symlink"), ("file and fifo", "busy")], ids=["link", "fifo"]
)
def test_a_swap_between_look_and_open_is_noticed(
    contested: Path, swap: str, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RootedFolder(contested, resolution=Resolution.WALK_WITHOUT_O_PATH)
    once_after(monkeypatch, "stat", lambda: SWAPS[swap](contested))
    assert refusal(lambda: folder.read_file("box/file", max_bytes=CAP)).code == code


def test_a_folder_taken_away_meanwhile_is_still_the_one_that_was_inside(
    contested: Path, resolution: Resolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RootedFolder(contested, resolution=resolution)
    once_after(monkeypatch, "fstat", lambda: SWAPS["folder and link"](contested))
    listing = folder.list_directory("box", max_entries=CAP)
    assert [entry.name for entry in listing.entries] == ["file"]


def test_an_entry_removed_while_listing_is_left_out(
    contested: Path, resolution: Resolution, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RootedFolder(contested, resolution=resolution)
    original = rooted._first_names

    def first_names(*args: Any) -> Any:
        result = original(*args)
        (contested / "box" / "file").unlink()
        return result

    monkeypatch.setattr(rooted, "_first_names", first_names)
    assert folder.list_directory("box", max_entries=CAP) == Listing("box", (), truncated=False)


# Faults of the system


@pytest.mark.parametrize("call", ["open", "fstat", "read", "scandir", "dup", "stat"])
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.EACCES, errno.ESTALE])
def test_any_call_that_fails_is_a_refusal_and_leaves_nothing_open(
    tree: Path, resolution: Resolution, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    original = getattr(os, call)
    calls = failing = 0

    def hooked(*args: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError(number, os.strerror(number), str(tree))
        return original(*args, **options)

    def read() -> None:
        RootedFolder(tree, resolution=resolution).read_file("docs/deep/er/leaf.txt", max_bytes=CAP)

    def list_() -> None:
        RootedFolder(tree, resolution=resolution).list_directory("docs/deep/er", max_entries=CAP)

    monkeypatch.setattr(os, call, hooked)
    for attempt in (read, list_):
        calls = failing = 0
        attempt()
        needed = calls
        for failing in range(1, needed + 1):  # noqa: B007  read by the hook
            calls = 0
            assert str(tree) not in str(refusal(attempt))


def test_without_proc_reading_says_what_to_do(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = os.open

    def without_proc(path: Any, *args: Any, **options: Any) -> int:
        if os.fsencode(path).startswith(b"/proc/"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return original(path, *args, **options)

    monkeypatch.setattr(os, "open", without_proc)
    folder = RootedFolder(tree, resolution=Resolution.WALK)
    refused = refusal(lambda: folder.read_file("notes.txt", max_bytes=CAP))
    assert refused.code == "unavailable"
    assert "mount /proc" in str(refused)


# Which resolution


class FakeSystemCall:
    """Fails with the given errors in turn, then as the last one for ever, unless it is 0."""

    def __init__(self, *errors: int) -> None:
        self.errors = errors
        self.calls = 0
        self.real = openat2._system_call()

    def __call__(self, *args: Any) -> int:
        error = self.errors[min(self.calls, len(self.errors) - 1)]
        self.calls += 1
        if error == 0:
            return self.real(*args)
        ctypes.set_errno(error)
        return -1

    def install(self, monkeypatch: pytest.MonkeyPatch) -> "FakeSystemCall":
        monkeypatch.setattr(openat2, "_system_call", lambda: self)
        return self


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM, errno.EINVAL])
def test_without_openat2_it_walks_and_asks_only_once(
    tree: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    system_call = FakeSystemCall(number).install(monkeypatch)
    folder = RootedFolder(tree)
    for _ in range(3):
        assert folder.read_file("docs/guide.txt", max_bytes=CAP).text == INSIDE
        assert refusals(folder, "to-outside/secret.txt") == {"symlink"}
    assert system_call.calls == 1


def test_off_linux_it_walks_without_o_path(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openat2._system_call.cache_clear()
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr(resolving, "_O_PATH", 0)
    folder = RootedFolder(tree)
    assert folder.read_file("docs/guide.txt", max_bytes=CAP).text == INSIDE
    assert folder._resolver.resolution is Resolution.WALK_WITHOUT_O_PATH


def test_with_openat2_it_is_used(tree: Path) -> None:
    if not openat2_works():
        pytest.skip("this kernel or its seccomp filter has no openat2: ONLY THE WALKS ARE TESTED")
    folder = RootedFolder(tree)
    assert folder.read_file("notes.txt", max_bytes=CAP).text == INSIDE
    assert folder._resolver.resolution is Resolution.OPENAT2


@pytest.mark.parametrize("number", [errno.EINTR, errno.EAGAIN])
def test_an_interrupted_call_is_repeated_a_bounded_number_of_times(
    tree: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    if not openat2_works():
        pytest.skip("this kernel or its seccomp filter has no openat2: ITS RETRIES ARE NOT TESTED")
    folder = RootedFolder(tree, resolution=Resolution.OPENAT2)
    twice = FakeSystemCall(number, number, 0).install(monkeypatch)
    assert folder.read_file("notes.txt", max_bytes=CAP).text == INSIDE
    assert twice.calls == 3
    always = FakeSystemCall(number).install(monkeypatch)
    assert refusal(lambda: folder.read_file("notes.txt", max_bytes=CAP)).code in {"busy", "unavailable"}
    assert always.calls == openat2.MAX_ATTEMPTS


@pytest.mark.parametrize(
    ("path", "number"),
    [
        (b"..", errno.EXDEV),
        (b"docs/../../outside", errno.EXDEV),
        (b"/", errno.EXDEV),
        (b"to-outside/secret.txt", errno.ELOOP),
        (b"proc-root/etc", errno.ELOOP),
    ],
)
def test_the_kernel_refuses_by_itself_what_the_path_check_would_miss(
    tree: Path, path: bytes, number: int
) -> None:
    if not openat2_works():
        pytest.skip("this kernel or its seccomp filter has no openat2: ITS FLAGS ARE NOT TESTED")
    root = os.open(tree, os.O_PATH)
    try:
        with pytest.raises(OSError) as caught:
            openat2.openat2(root, path, flags=resolving._OPENAT2_FLAGS, resolve=resolving._BENEATH)
    finally:
        os.close(root)
    assert caught.value.errno == number


def test_openat2_refuses_a_nul_that_c_would_cut_at() -> None:
    with pytest.raises(ValueError, match="null byte"):
        openat2.openat2(-1, b"notes.txt\0x", flags=0, resolve=0)


# Whatever else


PIECES = st.sampled_from(
    [
        "..",
        ".",
        "",
        "/",
        "docs",
        "deep",
        "er",
        "notes.txt",
        "guide.txt",
        "leaf.txt",
        "fifo",
        "\0",
        *links(Path("/unused")),
    ]
)
PATHS = st.one_of(
    st.lists(PIECES, max_size=8).map("/".join),
    st.lists(PIECES, max_size=8).map("".join),
    st.text(st.characters(exclude_categories=()), max_size=40),
    st.text("./\\\0docs~", max_size=20),
)


@given(path=PATHS)
@example(path="docs/guide.txt")
@settings(max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_path_is_refused_or_stays_inside(tree: Path, resolution: Resolution, path: str) -> None:
    folder = RootedFolder(tree, resolution=resolution)
    try:
        assert folder.read_file(path, max_bytes=CAP).text == INSIDE
    except PathRefused as refused:
        str(refused).encode()
    try:
        listing = folder.list_directory(path, max_entries=CAP)
    except PathRefused as refused:
        str(refused).encode()
    else:
        inside = (tree / listing.path).resolve()
        assert inside.is_relative_to(tree.resolve())
        assert {entry.name for entry in listing.entries} == names_in(inside)
