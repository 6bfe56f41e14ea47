"""The dashboard: pages without data, and their assets."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from airboss.api.dashboard.pages import read_assets, render_pages
from airboss.api.routing import Rule, rule, ruled_router
from airboss.api.services import Services
from airboss.domain.errors import AirbossError

_SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_HTML = "text/html; charset=utf-8"


class ListView(BaseModel):
    """What the page of jobs keeps in its address, for its script to read."""

    model_config = ConfigDict(extra="forbid")

    state: list[str] = Field(default_factory=list)
    agent: str | None = None
    created_after: str | None = None
    search: str | None = None
    window: str | None = None


class SpawnView(BaseModel):
    """What the form starts with: an agent, or the job whose fields it takes over."""

    model_config = ConfigDict(extra="forbid")

    agent: str | None = None
    like: str | None = None


class _Shelf:
    """Files by name with their entity tags: an unchanged one is a 304."""

    def __init__(self, contents: dict[str, bytes]) -> None:
        self._files = {
            name: (content, f'"{hashlib.sha256(content).hexdigest()[:16]}"')
            for name, content in contents.items()
        }

    def answer(self, request: Request, name: str, media_type: str) -> Response:
        """Return the file, or 304 to who has it; raises `KeyError` for a name that is not there."""
        content, tag = self._files[name]
        headers = {**_SECURITY, "ETag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)


def ui_router(services: Services) -> APIRouter:
    router = ruled_router(services)
    pages = _Shelf(render_pages(services.version))
    assets = _Shelf(read_assets())
    is_open = rule(Rule.OPEN)

    @router.get("/ui/", include_in_schema=False, openapi_extra=is_open)
    async def jobs(request: Request, view: Annotated[ListView, Query()]) -> Response:  # noqa: ARG001
        return pages.answer(request, "jobs", _HTML)

    @router.get("/ui/jobs/{job_id}", include_in_schema=False, openapi_extra=is_open)
    async def job(request: Request, job_id: str) -> Response:  # noqa: ARG001 - the page asks the API for it
        return pages.answer(request, "job", _HTML)

    @router.get("/ui/spawn", include_in_schema=False, openapi_extra=is_open)
    async def spawn(request: Request, view: Annotated[SpawnView, Query()]) -> Response:  # noqa: ARG001
        return pages.answer(request, "spawn", _HTML)

    @router.get("/ui/providers", include_in_schema=False, openapi_extra=is_open)
    async def providers(request: Request) -> Response:
        return pages.answer(request, "providers", _HTML)

    @router.get("/ui/nodes", include_in_schema=False, openapi_extra=is_open)
    async def nodes(request: Request) -> Response:
        return pages.answer(request, "nodes", _HTML)

    @router.get("/docs", include_in_schema=False, openapi_extra=is_open)
    async def reference(request: Request) -> Response:
        return pages.answer(request, "reference", _HTML)

    @router.get("/ui/assets/{name}", include_in_schema=False, openapi_extra=is_open)
    async def asset(request: Request, name: str) -> Response:
        media_type = _TYPES.get(name.rpartition(".")[2])
        try:
            return assets.answer(request, name, media_type or "")
        except KeyError:
            raise AirbossError("route_not_found", "there is no such asset") from None

    return router
