"""Errors of the dashboard's addresses, as pages for who reads them in a browser."""

import json
from collections.abc import Awaitable, Callable, Mapping
from html import escape
from inspect import isawaitable
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from airboss.api.dashboard.pages import PAGE_SECURITY, PageFrame, marked, read_template
from airboss.domain.error_texts import ERROR_TEXTS

_ROOT = "/ui"
_TITLES = {"route_not_found": "There is no such page", "job_not_found": "There is no such job"}
_OTHERWISE = "This page cannot be shown"
_Handler = Callable[[Request, Any], Response | Awaitable[Response]]


def install_error_pages(app: FastAPI) -> None:
    """Answer browsers that ask for a page of the dashboard with one; call it behind the error handlers."""
    pages = _ErrorPages(app.version)
    for kind, handler in list(app.exception_handlers.items()):
        app.exception_handlers[kind] = pages.before(handler)


class _ErrorPages:
    def __init__(self, version: str) -> None:
        self._frame = PageFrame(version)
        self._content = read_template("error")

    def before(self, handler: _Handler) -> _Handler:
        """Return a handler that shows a browser as a page what `handler` answers."""

        async def handle(request: Request, error: Exception) -> Response:
            answered = handler(request, error)
            answer = await answered if isawaitable(answered) else answered
            return self._shown(answer) if _is_for_people(request) else answer

        return handle

    def _shown(self, answer: Response) -> Response:
        headers = {name: value for name, value in answer.headers.items() if not name.startswith("content-")}
        return Response(
            self._page(json.loads(bytes(answer.body))["error"]),
            answer.status_code,
            {**headers, **PAGE_SECURITY},
            media_type="text/html; charset=utf-8",
        )

    def _page(self, error: Mapping[str, Any]) -> bytes:
        title = _TITLES.get(error["code"], _OTHERWISE)
        text = ERROR_TEXTS[error["code"]]
        content = self._content.substitute(
            title=escape(title),
            code=escape(error["code"]),
            message=escape(error["message"]),
            meaning=marked(text.meaning),
            advice=marked(text.advice),
            request_id=escape(error["request_id"]),
        )
        return self._frame.filled(name="error", title=title, section="", content=content)


def _is_for_people(request: Request) -> bool:
    path = request.scope["path"]
    is_ours = path == _ROOT or path.startswith(f"{_ROOT}/")
    return is_ours and "text/html" in request.headers.get("accept", "")
