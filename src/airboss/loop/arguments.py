"""The arguments of a tool call as a model writes them: text, which may be anything."""

from collections.abc import Mapping
from typing import Any

from airboss.domain.text import well_formed
from airboss.ports.tools import ToolError
from airboss.security.strict_json import MAX_DEPTH, NotStrictJsonError, parse_strict_json

#: Stands for arguments that were nested too deep to be handed on.
TOO_DEEP = '"arguments were left out"'


def decode_arguments(text: str) -> Mapping[str, Any]:
    """Return the JSON object that a text is, an empty one for none; raises `ToolError`."""
    if text == TOO_DEEP:
        raise ToolError("invalid_arguments", f"the arguments are nested more than {MAX_DEPTH} levels deep")
    try:
        arguments = parse_strict_json(well_formed(text).encode() or b"{}")
    except NotStrictJsonError as error:
        raise ToolError("invalid_arguments", f"the text of the arguments {error}") from None
    if not isinstance(arguments, dict):
        raise ToolError("invalid_arguments", "the arguments are not a JSON object")
    return arguments
