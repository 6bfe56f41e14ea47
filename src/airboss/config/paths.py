"""How a place in the settings tree is named."""

KeyPath = tuple[str, ...]
#: A key, or an item of a list by its position.
ItemPath = tuple[str | int, ...]


def dotted(path: ItemPath) -> str:
    """Write a path as people do: `limits.queue_capacity`, `server.cors_origins[1]`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def touches(path: ItemPath, other: ItemPath) -> bool:
    """Tell whether one of two places is the other, or lies in it."""
    shared = min(len(path), len(other))
    return path[:shared] == other[:shared]
