"""The way in."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, JsonValue
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from airboss.api.json_response import json_response
from airboss.api.routing import Rule, rule, ruled_router
from airboss.api.services import Services

_LINKS: dict[str, JsonValue] = {
    "jobs": "/v1/jobs",
    "agents": "/v1/agents",
    "events": "/v1/events",
    "dashboard": "/ui/",
    "docs": "/docs",
    "openapi": "/openapi.json",
    "live": "/health/live",
    "ready": "/health/ready",
    "metrics": "/metrics",
}


class RootDocument(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "airboss", "version": "0.1.0", "links": _LINKS}]}
    )

    name: str
    version: str
    links: dict[str, str]


def root_router(services: Services, openapi: Callable[[], dict[str, Any]]) -> APIRouter:
    router = ruled_router(services)

    @router.get(
        "/",
        summary="Name, version and links",
        response_model=RootDocument,
        openapi_extra=rule(Rule.OPEN),
        tags=["root"],
    )
    async def root(request: Request) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return RedirectResponse("/ui/", status_code=302)
        return json_response({"name": "airboss", "version": services.version, "links": _LINKS})

    @router.get("/openapi.json", include_in_schema=False, openapi_extra=rule(Rule.OPEN))
    async def openapi_document() -> Response:
        return json_response(openapi())

    return router
