"""A program that changes a tree for as long as it is let: `python racing_tree.py BASE`.

It renames the children of `BASE/root` to one another's names: folders, and links that lead to `BASE/outside`. In
the folders it does so with files, fifos and links. It says "racing" once it began, ends when its standard input
closes, and says then how many changes it made.
"""

import os
import random
import select
import shutil
import sys
from contextlib import suppress
from pathlib import Path

CHILDREN = ("box", "other", "third")
FILES = ("file", "written", "deep")
_RESTOCK_ROUNDS = 20


def restock(root: Path) -> None:
    """Let every name stand for something, and each kind of thing be there."""
    outside = root.parent / "outside"
    kinds = list(CHILDREN)
    random.shuffle(kinds)
    for number, child in enumerate(kinds):
        _remove(root / child)
        if number == 0:
            (root / child).symlink_to(outside)
        else:
            _new_folder(root / child, outside)


def _new_folder(folder: Path, outside: Path) -> None:
    folder.mkdir()
    (folder / "file").write_text("inside")
    (folder / "deep").mkdir()
    if random.random() < 0.5:
        os.mkfifo(folder / "written")
    else:
        (folder / "written").symlink_to(outside / "secret.txt")


def _remove(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def _exchange(folder: Path, names: tuple[str, ...], spare: Path) -> None:
    one, other = random.sample(names, 2)
    (folder / one).rename(spare)
    (folder / other).rename(folder / one)
    spare.rename(folder / other)


def race(base: Path) -> int:
    root = base / "root"
    random.seed(1)
    changes = 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        if changes % _RESTOCK_ROUNDS == 0:
            with suppress(OSError):
                restock(root)
        child = random.choice(CHILDREN)
        with suppress(OSError):
            if random.random() < 0.5 or (root / child).is_symlink():
                _exchange(root, CHILDREN, base / f"spare{changes}")
            else:
                _exchange(root / child, FILES, base / f"spare{changes}")
        _remove(base / f"spare{changes}")
        changes += 1
        if changes == 1:
            sys.stdout.write("racing\n")
            sys.stdout.flush()
    return changes


if __name__ == "__main__":
    sys.stdout.write(f"{race(Path(sys.argv[1]))}\n")
