"""What a value must be, in words, by the kind of the validator's error.

The validator's own words speak of its inputs, and the API and the command line both show what it found.
"""

from collections.abc import Mapping
from typing import Any

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


def value_words(kind: str, bounds: Mapping[str, Any]) -> str | None:
    """Say what must be there, with the bounds that the error names; None for a kind without words."""
    if kind == "string_too_short" and bounds["min_length"] == 1:
        return "must not be empty"
    words = _WORDS.get(kind)
    return None if words is None else words.format_map(bounds)
