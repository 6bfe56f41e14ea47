"""Pages of the dashboard, put together once from a layout and templates; none of them holds data."""

import re
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from string import Template

from airboss.domain.error_texts import ERROR_TEXTS
from airboss.domain.states import JobState

_FOLDER = files("airboss.api.dashboard")
#: Name of the page, its title, and the link of the navigation it belongs to.
_PAGES = {
    "jobs": ("Jobs", "jobs"),
    "job": ("Job", "jobs"),
    "spawn": ("Spawn a job", "spawn"),
    "providers": ("Providers", "providers"),
    "nodes": ("Nodes and queues", "nodes"),
    "reference": ("API reference", "reference"),
}
_NAVIGATION = {
    "jobs": ("/ui/", "Jobs"),
    "spawn": ("/ui/spawn", "Spawn"),
    "providers": ("/ui/providers", "Providers"),
    "nodes": ("/ui/nodes", "Nodes"),
    "reference": ("/docs", "API"),
}
_CODE = re.compile(r"`([^`]+)`")


def render_pages(version: str) -> dict[str, bytes]:
    """Return each page by its name, as UTF-8."""
    layout = _template("layout")
    shared = {
        "version": escape(version),
        "icons": _read(_FOLDER / "pages" / "icons.svg"),
        "state_filters": _state_filters(),
        "error_texts": _error_texts(),
    }
    return {
        name: layout.substitute(
            shared,
            name=name,
            title=escape(title),
            navigation=_navigation(section),
            content=_template(name).substitute(shared),
        ).encode()
        for name, (title, section) in _PAGES.items()
    }


def read_assets() -> dict[str, bytes]:
    """Return the assets by their file names: a handful, read once, so that no path of a caller reaches a disk."""
    return {entry.name: entry.read_bytes() for entry in (_FOLDER / "assets").iterdir() if entry.is_file()}


def _template(name: str) -> Template:
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
        f'<div data-code="{code}"><p>{_marked(text.meaning)}</p><p>{_marked(text.advice)}</p></div>'
        for code, text in ERROR_TEXTS.items()
    )


def _marked(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", escape(text))
