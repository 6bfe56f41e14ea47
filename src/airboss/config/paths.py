"""How a place in the settings tree is named."""

KeyPath = tuple[str, ...]


def dotted(path: KeyPath) -> str:
    """Write a path as people do: `limits.queue_capacity`."""
    return ".".join(path)
