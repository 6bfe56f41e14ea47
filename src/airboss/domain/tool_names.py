"""Tool names: dotted everywhere but on the wire, where providers refuse the dot."""


def wire_name(name: str) -> str:
    """Return the name a provider is given: `files.list` becomes `files_list`."""
    return name.replace(".", "_")
