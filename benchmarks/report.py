"""Figures: medians of rounds taken side by side, and one table for all."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One promise with its figure; `kept` None where the figure is only told."""

    name: str
    figure: str
    goal: str = ""
    kept: bool | None = None


@dataclass
class Report:
    """Rows as they come, printed at once and again as a table."""

    title: str
    rows: list[Row] = field(default_factory=list)

    def add(self, name: str, figure: str, goal: str = "", *, kept: bool | None = None) -> None:
        self.rows.append(Row(name, figure, goal, kept))

    def print(self) -> None:
        print(f"\n## {self.title}\n\n| figure | measured | goal | kept |\n|---|---|---|---|")
        for row in self.rows:
            kept = {None: "", True: "yes", False: "NO"}[row.kept]
            print(f"| {row.name} | {row.figure} | {row.goal} | {kept} |")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of all are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * share // 1).__int__() - 1)] if ordered else float("nan")


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float]) -> str:
    """Write a median with the smallest and the greatest round."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
