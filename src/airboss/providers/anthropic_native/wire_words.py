"""Names and ids in the characters that Anthropic takes."""

import hashlib
import re

#: Tools may have twice as many since 2025; gateways in front of it still hold to this.
MAX_CHARACTERS = 64
_FITS = re.compile(rf"[a-zA-Z0-9_-]{{1,{MAX_CHARACTERS}}}")
_FOREIGN = re.compile(r"[^a-zA-Z0-9_-]")
_DIGEST_CHARACTERS = 8


def wire_word(text: str) -> str:
    """Return a name or an id as it is, or shortened with a digest: the same text is always the same word."""
    if _FITS.fullmatch(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST_CHARACTERS]
    beginning = _FOREIGN.sub("_", text)[: MAX_CHARACTERS - _DIGEST_CHARACTERS - 1]
    return f"{beginning}_{digest}"
