"""Pages of the dashboard, put together once from a layout and templates; none of them holds data."""

import re
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template

from airboss.domain.error_texts import ERROR_TEXTS
from airboss.domain.errors import ERROR_CODES
from airboss.domain.states import JobState

_FOLDER = files("airboss.api.dashboard")
#: Name of the page, its title, and the link of the navigation it belongs to.
_PAGES = {
    "jobs": ("Jobs", "jobs"),
    "job": ("Job", "jobs"),
    "spawn": ("Spawn a job", "spawn"),
    "providers": ("Providers", "providers"),
    "mcp": ("MCP servers", "mcp"),
    "nodes": ("Nodes and queues", "nodes"),
    "reference": ("API reference", "reference"),
}
_NAVIGATION = {
    "jobs": ("/ui/", "Jobs"),
    "spawn": ("/ui/spawn", "Spawn"),
    "providers": ("/ui/providers", "Providers"),
    "mcp": ("/ui/mcp", "MCP"),
    "nodes": ("/ui/nodes", "Nodes"),
    "reference": ("/docs", "API"),
}
_CODE = re.compile(r"`([^`]+)`")
#: Headers of each page and asset: nothing from elsewhere, nothing in line.
PAGE_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


class PageFrame:
    """What stands around the content of each page."""

    def __init__(self, version: str) -> None:
        self._layout = read_template("layout")
        self._shared = {"version": escape(version), "icons": _read(_FOLDER / "pages" / "icons.svg")}

    def filled(self, *, name: str, title: str, section: str, content: str) -> bytes:
        """Return a whole page as UTF-8; `section` is the link of the navigation that is marked."""
        return self._layout.substitute(
            self._shared,
            name=name,
            title=escape(title),
            navigation=_navigation(section),
            content=content,
        ).encode()


def render_pages(version: str) -> dict[str, bytes]:
    """Return each page by its name, as UTF-8."""
    frame = PageFrame(version)
    made = {
        "state_filters": _state_filters(),
        "error_texts": _error_texts(),
        "error_list": _error_list(),
    }
    return {
        name: frame.filled(
            name=name, title=title, section=section, content=read_template(name).substitute(made)
        )
        for name, (title, section) in _PAGES.items()
    }


def read_assets() -> dict[str, bytes]:
    """Return the assets by their file names: a handful, read once, so that no path of a caller reaches a disk."""
    return {entry.name: entry.read_bytes() for entry in (_FOLDER / "assets").iterdir() if entry.is_file()}


def read_template(name: str) -> Template:
    return Template(_read(_FOLDER / "pages" / f"{name}.html"))


def _read(file: Traversable) -> str:
    return file.read_text(encoding="utf-8")


def _navigation(section: str) -> str:
    return "\n".join(
        f'<li><a href="{address}"{" aria-current=" + chr(34) + "page" + chr(34) if name == section else ""}>'
        f"{escape(label)}</a></li>"
        for name, (address, label) in _NAVIGATION.items()
    )


def _state_filters() -> str:
    return "\n".join(
        f'<label class="chip" data-state="{state.value}"><input type="checkbox" name="state" value="{state.value}">'
        f'<svg class="icon" aria-hidden="true"><use href="#icon-{state.value}"/></svg>'
        f"{escape(state.value.replace('_', ' '))}</label>"
        for state in JobState
    )


def _error_texts() -> str:
    """Write the texts of all codes for the job's page, which shows the one that it needs."""
    return "\n".join(
        f'<div data-code="{code}"><p>{marked(text.meaning)}</p><p>{marked(text.advice)}</p></div>'
        for code, text in ERROR_TEXTS.items()
    )


def _error_list() -> str:
    """Write all codes with their texts for the reference, where each has an address."""
    return "\n".join(
        f'<div id="error-{code}" data-code="{code}"><dt><code>{code}</code> <span class="type">'
        f"{_status_words(code)}</span></dt><dd>{marked(text.meaning)}</dd><dd>{marked(text.advice)}</dd></div>"
        for code, text in ERROR_TEXTS.items()
    )


def _status_words(code: str) -> str:
    spec = ERROR_CODES[code]
    return f"{spec.type.value}, {spec.status or 'in a job'}"


def marked(text: str) -> str:
    """Return a text of the error catalogue as HTML: what it names in backticks is code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))
