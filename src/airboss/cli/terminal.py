"""What is written to people: colour on terminals only, and nothing that a terminal would obey."""

import json
import re
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

#: Escape sequences as a whole (ECMA-48), so that no rest of them is left as text.
_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)"  # OSC, DCS: titles, clipboard
    r"|\x1b[ -/]*[0-~]"
)
#: What is left of control characters, and the marks that turn the direction of text around.
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
#: JSON escapes the control characters below a space; terminals obey these as well.
_UNESCAPED = re.compile(r"[\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

_STATE_STYLES = {
    "pending": "cyan",
    "running": "blue",
    "waiting": "magenta",
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "timed_out": "red",
}


def clean(text: str) -> str:
    """Return the text without what a terminal obeys; lines and tabs stay."""
    text = text.replace("\r\n", "\n")
    if "\x1b" in text or "\x9b" in text or _CONTROLS.search(text):
        text = _CONTROLS.sub("", _SEQUENCES.sub("", text))
    return text


def one_line(text: str) -> str:
    return " ".join(clean(text).split())


def as_text(value: Any) -> str:
    """Return a text as it stands, and anything else as JSON."""
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def state_style(state: str) -> str:
    return _STATE_STYLES.get(state, "")


def is_terminal() -> bool:
    """Tell whether people read the output; FORCE_COLOR asks for colour, not for layout."""
    return sys.stdout.isatty()


class _PlainConsole(Console):
    """Takes no text for markup; leaves what to do about a broken pipe to the command."""

    def __init__(self, *, stderr: bool) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, soft_wrap=True, stderr=stderr)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def console() -> Console:
    return _PlainConsole(stderr=False)


def error_console() -> Console:
    return _PlainConsole(stderr=True)


def say(text: Text | str = "") -> None:
    """Write a text of ours to standard output; wrapping is the terminal's."""
    console().print(text)


def tell(text: str) -> None:
    """Write a note to standard error: it belongs to nobody's data."""
    error_console().print(Text(clean(text)))


def write_json(document: Any) -> None:
    """Write one document as one line."""
    write_json_line(json.dumps(document, ensure_ascii=False))


def write_json_line(line: str) -> None:
    sys.stdout.write(json_line(line) + "\n")
    sys.stdout.flush()


def json_line(line: str) -> str:
    """Return the same document, with the characters escaped that a terminal obeys."""
    return _UNESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
