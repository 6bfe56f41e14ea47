"""What a YAML parser found wrong, in words that say what to do and repeat nothing of what was written."""

import yaml

_INDENTATION = (
    "the indentation does not fit the lines above: begin the keys of one section in one column, in spaces"
)
_SECOND_COLON = "a second ': ' in one line: put the text in quotes, such as `key: \"Note: be brief\"`"
_NO_COLON = (
    "not `key: value`: write a colon and a space behind the key, and put text of several lines in quotes"
)
_QUOTE = "; where text is meant, put it in quotes"

#: Parts of the parser's words, the first that fits, and ours.
_WORDS = (
    ("alias", "an alias (*NAME) without its anchor (&NAME); quote a value that starts with *"),
    ("anchor", "an anchor (&NAME) that stands twice; quote a value that starts with &"),
    ("tag", "a tag (!NAME) that is not known; quote a value that starts with !"),
    ("another document", "a second document (---) begins; settings are one document"),
    ("character '\\t'", "a tab may not stand here: use spaces, as for all indentation"),
    ("cannot start any token", "no value begins with this character: put the value in quotes"),
    (
        "quoted scalar found unexpected end",
        "a quote is not closed: end the text with the quote it begins with",
    ),
    ("unknown escape", "a backslash in double quotes begins an escape: use 'single quotes' for the text"),
    ("expected ',' or ']'", "a list is not closed, or lacks a comma: write it as [one, two]"),
    ("expected ',' or '}'", "a mapping is not closed, or lacks a comma: write it as {one: 1, two: 2}"),
    ("found '<stream end>'", "a bracket is not closed: end a list with ] and a mapping with }"),
    (
        "<block end>, but found '<scalar>'",
        "text goes on behind its end: put the whole in quotes, ' inside as ''",
    ),
    ("<block end>, but found '<block", _INDENTATION),
    ("<block end>, but found '-'", _INDENTATION),
    ("could not find expected ':'", _NO_COLON),
    (
        "sequence entries are not allowed",
        "a list begins on a line of its own: put `- ` there, or write [one, two]",
    ),
)


def words_of(error: yaml.MarkedYAMLError, text: str) -> str:
    """Say what is wrong without what was written: an unquoted password may begin with * or !."""
    said = f"{error.context} {error.problem}"
    if "mapping values are not allowed" in said:
        return _colon_words(error, text)
    ours = next((words for part, words in _WORDS if part in said), None)
    return ours or (error.problem or "not valid YAML") + _QUOTE


def _colon_words(error: yaml.MarkedYAMLError, text: str) -> str:
    """Tell a colon inside of text from a key in the wrong column, which are one error to the parser."""
    mark = error.problem_mark
    if mark is None:
        return _INDENTATION
    before = text.splitlines()[mark.line][: mark.column]
    if ": " in before:
        return _SECOND_COLON
    return _INDENTATION if before.startswith(" ") else f"the line above is {_NO_COLON}"
