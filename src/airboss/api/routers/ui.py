"""The dashboard: pages without data, and their assets."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from airboss.api.dashboard.pages import PAGE_SECURITY, read_assets, render_pages
from airboss.api.routing import Rule, rule, ruled_router
from airboss.api.services import Services
from airboss.domain.errors import AirbossError
from airboss.domain.identifiers import is_job_id

_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
#: Pages that read nothing from their address.
_PLAIN_PAGES = {
    "/ui/providers": "providers",
    "/ui/mcp": "mcp",
    "/ui/nodes": "nodes",
    "/docs": "reference",
}
_HTML = "text/html; charset=utf-8"


class ListView(BaseModel):
    """What the page of jobs keeps in its address, for its script to read."""

    model_config = ConfigDict(extra="forbid")

    state: list[str] = Field(default_factory=list)
    agent: str | None = None
    created_after: str | None = None
    created_before: str | None = None
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
        headers = {**PAGE_SECURITY, "Cache-Control": "no-cache", "ETag": tag}
        if tag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)


def ui_router(services: Services) -> APIRouter:
    router = ruled_router(services)
    pages = _Shelf(render_pages(services.version))
    _add_jobs(router, pages)
    for address, name in _PLAIN_PAGES.items():
        _add_plain(router, pages, address, name)
    _add_assets(router, _Shelf(read_assets()))
    return router


def _add_jobs(router: APIRouter, pages: _Shelf) -> None:
    @router.get("/ui/", include_in_schema=False, openapi_extra=rule(Rule.OPEN))
    async def jobs(request: Request, view: Annotated[ListView, Query()]) -> Response:  # noqa: ARG001
        return pages.answer(request, "jobs", _HTML)

    @router.get("/ui", include_in_schema=False, openapi_extra=rule(Rule.OPEN))
    async def without_slash(request: Request, view: Annotated[ListView, Query()]) -> Response:  # noqa: ARG001
        # As it was sent: taking it apart and putting it together might change it.
        query = request.scope["query_string"].decode("latin-1")
        return RedirectResponse(f"/ui/?{query}" if query else "/ui/", status_code=307)

    @router.get("/ui/jobs/{job_id}", include_in_schema=False, openapi_extra=rule(Rule.OPEN))
    async def job(request: Request, job_id: str) -> Response:
        # Whether a job of this id is there is the caller's to know: the page asks the API for it.
        if not is_job_id(job_id):
            raise AirbossError("job_not_found", f"there is no job '{job_id[:64]}'")
        return pages.answer(request, "job", _HTML)

    @router.get("/ui/spawn", include_in_schema=False, openapi_extra=rule(Rule.OPEN))
    async def spawn(request: Request, view: Annotated[SpawnView, Query()]) -> Response:  # noqa: ARG001
        return pages.answer(request, "spawn", _HTML)


def _add_plain(router: APIRouter, pages: _Shelf, address: str, name: str) -> None:
    @router.get(address, include_in_schema=False, openapi_extra=rule(Rule.OPEN))
    async def plain(request: Request) -> Response:
        return pages.answer(request, name, _HTML)


def _add_assets(router: APIRouter, assets: _Shelf) -> None:
    @router.get("/ui/assets/{name}", include_in_schema=False, openapi_extra=rule(Rule.OPEN))
    async def asset(request: Request, name: str) -> Response:
        media_type = _TYPES.get(name.rpartition(".")[2])
        try:
            return assets.answer(request, name, media_type or "")
        except KeyError:
            raise AirbossError("route_not_found", "there is no such asset") from None
