"""Tables: fitted to the width of a terminal, whole and aligned everywhere else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from airboss.cli.terminal import console, is_terminal, one_line

_GAP = 2
_LEAST_WIDTH = 6

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column; `width` is what it takes at least, `most` what it takes at most on a terminal.

    The last column takes what is left of the line. One with `is_whole` is never cut: it is there to be copied.
    """

    title: str
    text: Callable[[Document], str]
    width: int = 0
    most: int = 20
    is_whole: bool = False
    style: Callable[[str], str] = lambda _: ""


class Listing:
    """Rows under one header; the first rows decide the widths, so that pages can be shown as they come."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = list(columns)
        self._widths: list[int] = []
        self._is_terminal = is_terminal()
        self._console = console()

    def add(self, documents: Sequence[Document]) -> None:
        rows = [[one_line(column.text(document)) for column in self._columns] for document in documents]
        is_first = not self._widths
        if is_first:
            self._widths = [self._width(index, rows) for index in range(len(self._columns))]
            if self._is_terminal:
                self._fit()
        if self._is_terminal:
            self._print_table(rows, with_header=is_first)
        else:
            self._print_lines(rows, with_header=is_first)

    def _width(self, index: int, rows: Sequence[Sequence[str]]) -> int:
        column = self._columns[index]
        longest = max([column.width, len(column.title), *(cell_len(row[index]) for row in rows)])
        if not self._is_terminal or column.is_whole:
            return longest
        return min(longest, max(column.width, column.most, len(column.title)))

    def _fit(self) -> None:
        """Give the last column the rest of the line, and leave out those that find no room, from the last."""
        while len(self._widths) > 1:
            before = sum(self._widths[:-1]) + _GAP * (len(self._widths) - 1)
            rest = self._console.width - before
            if rest >= min(self._widths[-1], _LEAST_WIDTH):
                self._widths[-1] = min(self._widths[-1], rest)
                return
            self._widths.pop()
            self._columns.pop()

    def _print_table(self, rows: Sequence[Sequence[str]], *, with_header: bool) -> None:
        table = Table(
            box=None, show_header=with_header, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold"
        )
        for column, width in zip(self._columns, self._widths, strict=True):
            table.add_column(column.title, width=width, no_wrap=True, overflow="ellipsis")
        for row in rows:
            cells = zip(self._columns, row, strict=False)
            table.add_row(*(Text(cell, style=column.style(cell)) for column, cell in cells))
        # Where even the first column finds no room the terminal breaks the line, and nothing is lost.
        self._console.width = max(self._console.width, sum(self._widths) + _GAP * len(self._widths))
        self._console.print(table, crop=False, soft_wrap=False)

    def _print_lines(self, rows: Sequence[Sequence[str]], *, with_header: bool) -> None:
        if with_header:
            self._console.print(self._line([Text(column.title) for column in self._columns]))
        for row in rows:
            cells = zip(self._columns, row, strict=True)
            self._console.print(self._line([Text(cell, style=column.style(cell)) for column, cell in cells]))

    def _line(self, cells: Sequence[Text]) -> Text:
        line = Text()
        for cell, width in zip(cells, self._widths, strict=True):
            line.append_text(cell).append(" " * (width - cell.cell_len + _GAP))
        line.rstrip()
        return line
