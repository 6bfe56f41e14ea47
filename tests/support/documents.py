"""The pages of the documentation, and the blocks in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^```(\w*)\s*$")
_NOT_RUN = re.compile(r"^<!-- not run: (.+) -->$")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block; `not_run` is why its commands are not run, or None."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str | None

    @property
    def place(self) -> str:
        return f"{name_of(self.page)}:{self.line}"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    fence: tuple[int, str] | None = None
    inside: list[str] = []
    before = ""
    for number, line in enumerate(page.read_text().splitlines(), start=1):
        found = _FENCE.match(line)
        if fence is None and found:
            fence, inside = (number, found[1]), []
        elif fence is not None and found:
            reason = _NOT_RUN.match(before)
            yield Block(page, *fence, "\n".join(inside), reason and reason[1])
            fence, before = None, ""
        elif fence is not None:
            inside.append(line)
        elif line.strip():
            before = line.strip()
    assert fence is None, f"{name_of(page)}:{fence[0]}: a block is not closed"


def prose(page: Path) -> str:
    """Return the text of a page without its fenced blocks."""
    kept, is_outside = [], True
    for line in page.read_text().splitlines():
        if line.startswith("```"):
            is_outside = not is_outside
        elif is_outside:
            kept.append(line)
    return "\n".join(kept)


def links(page: Path) -> list[str]:
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the usual viewers make them."""
    headings = (line.lstrip("#").strip() for line in prose(page).splitlines() if line.startswith("#"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
