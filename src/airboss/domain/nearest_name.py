"""Which known name someone who wrote an unknown one may have meant."""

from collections.abc import Iterable
from difflib import get_close_matches

#: Two letters swapped in a word of four are as unlike as this; the usual 0.6 takes `file.delete` for `files.list`.
_LIKE_ENOUGH = 0.75


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that is spelled much alike, or the only one that this is a part of; None: a guess."""
    by_folded = {each.casefold(): each for each in known}
    folded = name.casefold()
    if alike := get_close_matches(folded, by_folded, n=1, cutoff=_LIKE_ENOUGH):
        return by_folded[alike[0]]
    with_it = [each for each in by_folded if folded and _parted(folded) in _parted(each)]
    return by_folded[with_it[0]] if len(with_it) == 1 else None


def _parted(name: str) -> str:
    return f"_{name.replace('-', '_').replace('.', '_')}_"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Say which name was meant, or which there are where none is likely."""
    names = tuple(known)
    near = nearest_name(name, names)
    return f"there are: {', '.join(names) or 'none'}" if near is None else f"did you mean '{near}'?"
