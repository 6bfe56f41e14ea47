"""Chromium, as the machine has it, driven by Playwright; its complaints are kept."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

HOW_TO_INSTALL = (
    "NOT SHOWN HERE: no Chromium on this machine, so nothing of the dashboard is tested."
    " Install it with `make browser` as root, or `apt-get install chromium`."
)
DEADLINE_MS = 15_000
_NAMES = ("chromium", "chromium-browser", "google-chrome")
_QUIET = (
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--no-first-run",
)


def chromium_path() -> str | None:
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium without a window; it must be there."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium_path(), args=[*_QUIET, *sandbox], timeout=30_000
        )
        try:
            yield browser
        finally:
            browser.close()


class Complaints:
    """What the pages of a context said on the console or threw, and what their policy forbade."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        #: Beginnings of texts that a test brings about itself.
        self.expected: list[str] = []

    def watch(self, page: Page) -> None:
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.texts.append(text)

    @property
    def unexpected(self) -> list[str]:
        return [text for text in self.texts if not any(known in text for known in self.expected)]


@contextmanager
def browsing(browser: Browser, base_url: str, **options: Any) -> Iterator[tuple[BrowserContext, Complaints]]:
    """Open a context of its own: storage and settings of no other."""
    defaults = {"viewport": {"width": 1200, "height": 800}, "locale": "en-GB", "timezone_id": "UTC"}
    context = browser.new_context(base_url=base_url, **{**defaults, **options})
    context.set_default_timeout(DEADLINE_MS)
    complaints = Complaints()
    context.on("page", complaints.watch)
    try:
        yield context, complaints
    finally:
        context.close()
