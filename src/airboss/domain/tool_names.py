"""Tool names: dotted everywhere but on the wire, where providers refuse the dot and more."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping

#: The tool that calls any tool of an agent's MCP servers; it is there only where an agent names it.
GENERIC_MCP_CALL = "mcp.call"

_MAX_CHARACTERS = 64
_ACCEPTED = re.compile(rf"[A-Za-z0-9_-]{{1,{_MAX_CHARACTERS}}}")
_REFUSED_CHARACTER = re.compile(r"[^A-Za-z0-9_-]")
_HASH_DIGITS = (8, 16, 32)


def wire_name(name: str) -> str:
    """Return the name a provider is given: `files.list` becomes `files_list`.

    A name that is too long, or holds what providers refuse, ends with a hash of what it was.
    """
    plain = name.replace(".", "_")
    return plain if _ACCEPTED.fullmatch(plain) else _hashed(name, _HASH_DIGITS[0])


def wire_names(names: Iterable[str]) -> Mapping[str, str]:
    """Return a wire name for each name, no two alike: `a.b_c` and `a_b.c` would be one."""
    wired = {name: wire_name(name) for name in names}
    for digits in _HASH_DIGITS:
        counts = Counter(wired.values())
        # All that would be alike, not all but the first: which one is first may change between two runs.
        alike = [name for name, wire in wired.items() if counts[wire] > 1]
        wired |= {name: _hashed(name, digits) for name in alike}
    return wired


def _hashed(name: str, digits: int) -> str:
    ending = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:digits]
    return f"{_REFUSED_CHARACTER.sub('_', name)[: _MAX_CHARACTERS - digits - 1]}_{ending}"
