"""Which known setting someone who wrote an unknown one may have meant."""

from difflib import get_close_matches

from airboss.config.paths import KeyPath
from airboss.config.tree import key_at, known_paths


def nearest(path: KeyPath) -> KeyPath:
    """Return the likeliest known path: a sibling, then the same name elsewhere, then what is spelled most alike."""
    depth = _known_depth(path)
    parent = key_at(path[:depth])
    # At the top a section may be misspelled as well as left out: only whole paths tell which.
    siblings = get_close_matches(path[depth], parent.names, n=1) if depth and parent else []
    if not siblings:
        return _elsewhere(path)
    meant = (*path[:depth], siblings[0])
    whole = (*meant, *path[depth + 1 :])
    return whole if key_at(whole) else meant


def _known_depth(path: KeyPath) -> int:
    return next((depth for depth in range(len(path)) if key_at(path[: depth + 1]) is None), len(path) - 1)


def _elsewhere(path: KeyPath) -> KeyPath:
    same_name = [known for known in known_paths() if known[-1] == path[-1]]
    candidates = {_spelled(known): known for known in same_name or known_paths()}
    return candidates[get_close_matches(_spelled(path), candidates, n=1, cutoff=0)[0]]


def _spelled(path: KeyPath) -> str:
    # `jwt_secret` is as near to auth.jwt.secret as `jwt.secret` is.
    return "_".join(path)
