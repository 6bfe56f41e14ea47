"""What is wrong with settings, in lines for people."""

from dataclasses import dataclass

from airboss.config.origins import DEFAULT_ORIGIN, LayerName, Origin

_ORDER = list(LayerName)


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong; `key` is the dotted key, or empty where the whole source is meant."""

    text: str
    key: str = ""
    origin: Origin = DEFAULT_ORIGIN

    def __str__(self) -> str:
        return ": ".join(part for part in (self.origin.label, self.key, self.text) if part)


class SettingsError(Exception):
    """Settings that cannot be used, with all that is wrong with them; the text has one line for each."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = tuple(sorted(set(problems), key=_position))
        super().__init__("\n".join(str(problem) for problem in self.problems))


def _position(problem: Problem) -> tuple[int, str, int, str, str]:
    origin = problem.origin
    return _ORDER.index(origin.layer), origin.place or problem.text, origin.line, problem.key, problem.text
