"""Which known setting someone who wrote an unknown one may have meant."""

from difflib import get_close_matches

from airboss.config.paths import KeyPath
from airboss.config.tree import PLACEHOLDER, key_at, known_paths
from airboss.domain.nearest_name import nearest_name


def nearest(path: KeyPath) -> KeyPath | None:
    """Return what was likely meant: a sibling, the same name elsewhere, what is spelled much alike; else None."""
    depth = _known_depth(path)
    parent = key_at(path[:depth])
    if parent and not parent.names:
        return path[:depth]
    sibling = nearest_name(path[depth], parent.names) if parent else None
    if sibling is None:
        return _elsewhere(path, depth)
    meant = (*path[:depth], sibling)
    whole = (*meant, *path[depth + 1 :])
    return whole if key_at(whole) else nearest(whole) or meant


def known_beside(path: KeyPath) -> tuple[KeyPath, tuple[str, ...]]:
    """Return the innermost section on the way to an unknown path, and what there is in it."""
    section = path[: _known_depth(path)]
    parent = key_at(section)
    return section, parent.names if parent else ()


def _known_depth(path: KeyPath) -> int:
    return next((depth for depth in range(len(path)) if key_at(path[: depth + 1]) is None), len(path) - 1)


def _elsewhere(path: KeyPath, depth: int) -> KeyPath | None:
    # Within a section that there is, only what stands as deep as this can have been meant.
    within = [known for known in known_paths() if depth == 0 or len(known) == len(path)]
    same_name = {_spelled(known): known for known in within if known[-1] == path[-1]}
    if same_name:
        return same_name[get_close_matches(_spelled(path), same_name, n=1, cutoff=0)[0]]
    below = [known for known in known_paths() if len(known) > depth and _is_below(known, path[:depth])]
    spelled = {_spelled(known[depth:]): known[depth:] for known in below}
    near = nearest_name(_spelled(path[depth:]), spelled)
    return None if near is None else (*path[:depth], *spelled[near])


def _is_below(known: KeyPath, section: KeyPath) -> bool:
    return all(name in (PLACEHOLDER, part) for name, part in zip(known, section, strict=False))


def _spelled(path: KeyPath) -> str:
    # `jwt_secret` is as near to auth.jwt.secret as `jwt.secret` is.
    return "_".join(path).replace(".", "_")
