"""What is wrong with a body or a parameter, in words that say what must be there.

The library's own speak of its inputs. Whatever it finds that has no words here keeps its own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from airboss.domain.nearest_name import suggestion

_OBJECT = "must be a JSON object"
_WHOLE_NUMBER = "must be a whole number"
_NUMBER = "must be a number"

#: By the kind of the library's error; the bounds that it names are put in.
_WORDS = {
    "missing": "is missing",
    "string_type": "must be text",
    "string_too_long": "must be at most {max_length} characters long",
    "string_too_short": "must be at least {min_length} characters long",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_parsing_size": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "must be a finite number",
    "greater_than": "must be greater than {gt:.15g}",
    "greater_than_equal": "must be {ge:.15g} or more",
    "less_than": "must be less than {lt:.15g}",
    "less_than_equal": "must be {le:.15g} or less",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "dict_type": _OBJECT,
    "model_type": _OBJECT,
    "model_attributes_type": _OBJECT,
    "list_type": "must be a list",
    "datetime_parsing": "is no moment that there is ({error})",
    "datetime_from_date_parsing": "is no moment that there is ({error})",
}


def words_of(problem: Mapping[str, Any], known: Callable[[], Sequence[str]]) -> str:
    """Say what must be there, never what was; `known` are the fields that the body may have."""
    kind, place, context = problem["type"], problem["loc"], problem.get("ctx", {})
    if kind == "extra_forbidden":
        return f"is not known here; {suggestion(str(place[-1])[:200], known())}"
    if kind == "missing" and place == ("body",):
        return "is missing; send a JSON object"
    if kind == "string_too_short" and context["min_length"] == 1:
        return "must not be empty"
    if kind in _WORDS:
        return _WORDS[kind].format_map(context)
    return str(problem["msg"]).removeprefix("Value error, ")
