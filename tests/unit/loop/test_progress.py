"""Progress at a pace: the first word at once, the last one always, none behind the end."""

import math

import pytest

from airboss.loop.progress import Progress


class Told:
    def __init__(self) -> None:
        self.now = 0.0
        self.words: list[tuple[str, float | None]] = []
        self.progress = Progress(lambda *word: self.words.append(word), lambda: self.now)


def test_a_flood_is_thinned_out() -> None:
    told = Told()
    for number in range(1000):
        told.now = number / 1000
        told.progress(str(number), number / 1000)
    told.progress.close()
    assert 10 <= len(told.words) <= 12
    assert (told.words[0][0], told.words[-1][0]) == ("0", "999")


def test_nothing_is_told_behind_the_end() -> None:
    told = Told()
    told.progress.close()
    told.progress("late", 1.0)
    told.progress.close()
    assert told.words == []


@pytest.mark.parametrize(
    ("given", "told_as"),
    [(0.5, 0.5), (None, None), (-1.0, 0.0), (2.0, 1.0), (math.nan, None), (math.inf, 1.0)],
)
def test_a_fraction_is_one(given: float | None, told_as: float | None) -> None:
    told = Told()
    told.progress("x" * 10_000, given)
    assert told.words == [("x" * 500, told_as)]
