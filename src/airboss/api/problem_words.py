"""What is wrong with a body or a parameter, in words that say what must be there."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airboss.domain.nearest_name import suggestion
from airboss.domain.value_words import value_words


def words_of(problem: Mapping[str, Any], known: Callable[[], Sequence[str]]) -> str:
    """Say what must be there, never what was; `known` are the fields that the body may have."""
    kind, place = problem["type"], problem["loc"]
    if kind == "extra_forbidden":
        return f"is not known here; {suggestion(str(place[-1])[:200], known())}"
    if kind == "missing" and place == ("body",):
        return "is missing; send a JSON object"
    words = value_words(kind, problem.get("ctx", {}))
    return str(problem["msg"]).removeprefix("Value error, ") if words is None else words
