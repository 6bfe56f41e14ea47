"""The dashboard: a shell without data, and its assets."""

from importlib.resources import files

from fastapi import APIRouter
from starlette.responses import Response

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
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def ui_router(services: Services) -> APIRouter:
    router = ruled_router(services)
    folder = files("airboss.api") / "static"
    # A handful of small files: read once, served from memory, and no path of a caller reaches a disk.
    assets = {entry.name: entry.read_bytes() for entry in folder.iterdir() if entry.is_file()}

    def asset(name: str) -> Response:
        content = assets.get(name)
        if content is None:
            raise AirbossError("route_not_found", "there is no such asset")
        media_type = _TYPES[name.rpartition(".")[2]]
        return Response(content, media_type=media_type, headers=_SECURITY)

    @router.get("/ui/", include_in_schema=False, openapi_extra=rule(Rule.OPEN))
    async def dashboard() -> Response:
        return asset("index.html")

    @router.get("/ui/{name}", include_in_schema=False, openapi_extra=rule(Rule.OPEN))
    async def dashboard_asset(name: str) -> Response:
        return asset(name)

    @router.get("/docs", include_in_schema=False, openapi_extra=rule(Rule.OPEN))
    async def reference() -> Response:
        return asset("docs.html")

    return router
