"""What is wrong with settings, in lines for people."""

from dataclasses import dataclass

from airboss.config.origins import DEFAULT_ORIGIN, LayerName, Origin
from airboss.config.paths import ItemPath, dotted

_ORDER = list(LayerName)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; `path` is the key, or empty where the whole source is meant."""

    text: str
    path: ItemPath = ()
    origin: Origin = DEFAULT_ORIGIN

    def __str__(self) -> str:
        return ": ".join(part for part in (self.origin.label, dotted(self.path), self.text) if part)


class SettingsError(Exception):
    """Settings that cannot be used, with all that is wrong with them; the text has one line for each."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=_position))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def _position(problem: Problem) -> tuple[int, str, int, str, str]:
    origin = problem.origin
    place = origin.place or problem.text
    return _ORDER.index(origin.layer), place, origin.line, dotted(problem.path), problem.text
