"""Taking what may be a secret out of text that nobody here wrote."""

import re

#: Keys, tokens and hashes are long words of these characters; the words of a sentence are not.
_TOKEN = re.compile(r"[A-Za-z0-9_+/=.~-]{16,}")
MASK = "***"


def redacted(text: str) -> str:
    """Mask every word that is long enough to be a key, whatever it is."""
    return _TOKEN.sub(MASK, text)
