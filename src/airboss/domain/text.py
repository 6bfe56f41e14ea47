"""Text that can be stored and sent."""


def well_formed(text: str) -> str:
    """Replace lone surrogates: a model may cut its text within a character, and UTF-8 has none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
