"""Paths that try to lead out of a root, or to trip whoever reads them."""

import unicodedata
from collections.abc import Iterator
from itertools import product
from pathlib import Path

_UPS = (
    "..",
    "..\\",
    "%2e%2e",
    "%2E%2E",
    "%252e%252e",
    "..%2f",
    "..%5c",
    "..%00",
    "..;",
    "....",
    "...",
    ". .",
    ".. ",
    " ..",
    "..\t",
    "\uff0e\uff0e",  # fullwidth
    "\u2025",  # two dot leader
    "\u2024\u2024",  # one dot leaders
    "\u3002\u3002",
    ".\u200b.",
    ".\u00ad.",
    "\u202e..",
    "\ufeff..",
    "\udc2e\udc2e",  # bytes of '..' as half characters
    "..\ud800",
    "..\x00",
    "..\n",
    "..\x7f",
    "\x1b[A..",
)
_SLASHES = ("/", "//", "/./", "\\", "\uff0f", "\u2215", "\u2044", "\u29f8", "\uff3c", "%2f", "\x00/")
_TARGETS = ("outside/secret.txt", "outside", "etc/passwd")
_ABSOLUTE = (
    "/",
    "//",
    "///",
    "/.",
    "/..",
    "/etc/passwd",
    "//etc/passwd",
    "/./etc/passwd",
    "/etc//passwd",
    "/etc/passwd\x00.txt",
    "/proc/self/root/etc/passwd",
    "/proc/self/cwd/../etc/passwd",
    "/proc/self/fd/0",
    "/proc/self/fd/3",
    "/proc/self/environ",
    "/proc/self/mem",
    "/proc/1/root",
    "/proc/kmsg",
    "/proc/thread-self/root",
    "/dev/fd/0",
    "/dev/stdin",
    "/dev/stdout",
    "/dev/zero",
    "/dev/tty",
    "/dev/ptmx",
    "/sys/power/state",
    "/run/docker.sock",
    "/root/.ssh/authorized_keys",
    "/tmp",
    "\uff0fetc\uff0fpasswd",
    "\u2215etc\u2215passwd",
    "%2fetc%2fpasswd",
    "file:///etc/passwd",
    "file://localhost/etc/passwd",
)
_WINDOWS = (
    "C:\\Windows\\win.ini",
    "C:/Windows/win.ini",
    "c:secret.txt",
    "\\\\host\\share\\x",
    "//host/share/x",
    "\\\\?\\C:\\x",
    "\\\\.\\PhysicalDrive0",
    "CON",
    "NUL",
    "AUX.txt",
    "COM1",
    "notes.txt::$DATA",
    "notes.txt:stream",
    "notes.txt.",
    "notes.txt..",
    "notes.txt ",
    " notes.txt",
    "NOTES.TXT",
    "NOTES~1.TXT",
    "docs\\guide.txt",
    "..\\outside\\secret.txt",
)
_SHELL = (
    "~",
    "~root",
    "~/.ssh",
    "$HOME",
    "${HOME}/x",
    "$(id)",
    "`id`",
    "|id",
    ";id",
    "*",
    "?",
    "[a-z]*",
    "{docs,..}/x",
    "-rf",
    "--help",
    "-",
    "@/etc/passwd",
    "%s%s%n",
    "{0.__class__}",
)
_TEMPORARY = (
    ".airboss-0123456789abcdef",
    ".airboss-",
    "docs/.airboss-x",
    ".airboss-x/y",
    ".#notes.txt",
    "notes.txt~",
    ".notes.txt.swp",
    ".nfs0001",
    ".git/config",
    ".git/hooks/post-checkout",
)
_MANGLED = (
    "",
    ".",
    "./",
    "./.",
    "././.",
    "docs/",
    "docs/.",
    "docs/./",
    "docs//guide.txt",
    "notes.txt/",
    "notes.txt/.",
    "notes.txt/..",
    "notes.txt/x",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\x00",
    "a\x00b",
    "notes.txt\x00",
    "notes.txt\x00/../../outside/secret.txt",
    "\x01",
    "\x1b]0;title\x07",
    "\x7f",
    "\x85",
    "\u2028",
    "\u200b",
    "\u202egpj.sh",
    "\ufeff",
    "\uffff",
    "\U0010ffff",
    "\ud800",
    "\udfff",
    "\ud83d\ude00",
    "docs/\udcff",
    "\udce4",
)


def _traversals() -> Iterator[str]:
    for up, slash in product(_UPS, _SLASHES):
        yield f"{up}{slash}outside/secret.txt"
    for up, target, depth in product(_UPS[:6], _TARGETS, (1, 3, 12)):
        yield "/".join([*[up.rstrip("\\")] * depth, target])
        yield "/".join(["docs", *[up.rstrip("\\")] * (depth + 1), target])
        yield "/".join(["nowhere", *[up.rstrip("\\")] * (depth + 1), target])


def _lengths() -> Iterator[str]:
    for length in (255, 256, 4095, 4096, 5000, 1_000_000):
        yield "a" * length
        yield ("ä" * length)[:length]
    for depth in (31, 32, 33, 500, 2047, 2048, 5000):
        yield "d/" * depth + "leaf"
        yield "../" * depth + "leaf"
        yield "./" * depth + "leaf"
    yield "a" * 300 + "/" + "b"
    yield "\U0001f600" * 64


def _unicode_forms() -> Iterator[str]:
    for name, form in product(
        (
            "na\u00efve.txt",
            "\ufb01le.txt",
            "\u212b/x",
            "\u017fecret.txt",
            "\u2460.txt",
            "\u212a.txt",
            "\u1e9b\u0323",
        ),
        ("NFC", "NFD", "NFKC", "NFKD"),
    ):
        yield unicodedata.normalize(form, name)  # type: ignore[arg-type]


def links(base: Path) -> dict[str, str]:
    """Symbolic links for the root: name and target."""
    return {
        "to-secret": str(base / "outside" / "secret.txt"),
        "to-secret-relative": "../outside/secret.txt",
        "to-outside": str(base / "outside"),
        "to-new": str(base / "outside" / "new.txt"),
        "to-notes": "notes.txt",
        "to-docs": "docs",
        "up": "..",
        "slash": "/",
        "loop": "loop",
        "dangling": "nowhere",
        "proc-root": "/proc/self/root",
        "proc-cwd": "/proc/self/cwd",
        "proc-fd": "/proc/self/fd",
        "docs/to-outside": "../../outside",
    }


def hostile_paths(base: Path) -> list[str]:
    """Return the corpus for a root at `base / "root"`, each path once."""
    linked = [
        name + below
        for name in links(base)
        for below in ("", "/", "/secret.txt", "/new.txt", "/../root/notes.txt", "/a/b.txt")
    ]
    inside = [f"{base}/root/notes.txt", f"{base}/outside/secret.txt", f"..{base}/outside/secret.txt"]
    special = [name + below for name in ("fifo", "socket", "docs/fifo") for below in ("", "/", "/x", "/../x")]
    groups = (_ABSOLUTE, _WINDOWS, _SHELL, _TEMPORARY, _MANGLED, linked, inside, special)
    found = [path for group in groups for path in group]
    return list(dict.fromkeys([*found, *_traversals(), *_lengths(), *_unicode_forms()]))
