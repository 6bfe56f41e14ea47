"""What a model writes that nothing behind could bear: half characters, and arguments of great depth."""

import re
from typing import Any

from openai.types.responses import Response, ResponseFunctionToolCall
from pydantic import BaseModel

from airboss.domain.text import well_formed
from airboss.loop.arguments import TOO_DEEP
from airboss.security.strict_json import is_too_deep

# Escapes in JSON text, from left to right: a pair of halves, half a pair, any other.
_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.",
    re.DOTALL,
)


def mend(response: Response) -> None:
    """Make every text in an answer well-formed, names and ids too, and what the arguments of calls decode to."""
    _mended(response)
    for item in response.output:
        if isinstance(item, ResponseFunctionToolCall):
            item.arguments = _bearable(item.arguments)


def _bearable(arguments: str) -> str:
    """Mend what would decode to half a character; leave out what is nested too deep for those who decode it."""
    if is_too_deep(arguments.encode()):
        return TOO_DEEP
    return _ESCAPE.sub(lambda found: r"\ufffd" if found[1] else found[0], arguments)


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, BaseModel):
        for name, field in {**value.__dict__, **(value.__pydantic_extra__ or {})}.items():
            mended = _mended(field)
            if mended is not field:
                setattr(value, name, mended)
    elif isinstance(value, list):
        value[:] = [_mended(item) for item in value]
    elif isinstance(value, dict):
        mended_items = {_mended(key): _mended(item) for key, item in value.items()}
        value.clear()
        value.update(mended_items)
    return value
