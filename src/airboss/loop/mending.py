"""Half characters where a model writes: they can be neither kept nor sent, so they are mended first."""

from typing import Any

from openai.types.responses import Response
from pydantic import BaseModel

from airboss.domain.text import well_formed


def mend(response: Response) -> None:
    """Make every text in an answer well-formed, names and ids too."""
    _mended(response)


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
