"""The values that were read so far, so that none of them is written into a log."""

import re
from urllib.parse import quote

from pydantic_core import to_json

from airboss.security.redaction import MASK, without_credentials

#: Shorter ones are words of ordinary lines: masked, they would be guessed and the line would be lost.
_MIN_CHARACTERS = 6


class KnownSecrets:
    """Remembers values and masks them in text, in the forms that a log line may hold them in."""

    def __init__(self) -> None:
        self._forms: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def remember(self, value: str) -> str:
        """Keep a value for masking and return it."""
        if value not in self._forms and len(value) >= _MIN_CHARACTERS:
            forms = {value, quote(value, safe=""), repr(value)[1:-1], to_json(value).decode()[1:-1]}
            forms |= {line for line in value.splitlines() if len(line) >= _MIN_CHARACTERS}
            self._forms |= forms
            # The longest first: one may be the beginning of another.
            ordered = sorted(self._forms, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, ordered)))
        return value

    def mask(self, text: str) -> str:
        """Take out the values that are known, and what is a credential by its form."""
        known = text if self._pattern is None else self._pattern.sub(MASK, text)
        return without_credentials(known)
