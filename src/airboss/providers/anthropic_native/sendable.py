"""What JSON can say and nobody can send on."""

import json
from typing import Any

from airboss.domain.text import well_formed


def sendable(value: Any) -> Any:
    """Replace halves of surrogate pairs and name the numbers that are none: both pass for JSON in Python."""
    text = json.dumps(value, ensure_ascii=False)
    return json.loads(well_formed(text), parse_constant=str)
