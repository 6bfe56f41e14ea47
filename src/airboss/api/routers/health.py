"""Probes."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from airboss.api.json_response import json_response
from airboss.api.routing import Rule, rule, ruled_router
from airboss.api.services import Services


class LiveDocument(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "live"}]})

    status: str


class CheckDocument(BaseModel):
    ok: bool
    detail: str


class ReadyDocument(BaseModel):
    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"status": "ready", "checks": {"storage": {"ok": True, "detail": "written in 0.4 ms"}}}
            ]
        }
    )

    status: str
    checks: dict[str, CheckDocument]


def health_router(services: Services) -> APIRouter:
    router = ruled_router(services)

    @router.get(
        "/health/live",
        summary="Whether the process turns",
        response_model=LiveDocument,
        openapi_extra=rule(Rule.OPEN),
        tags=["health"],
    )
    async def live() -> Response:
        return json_response({"status": "live"})

    @router.get(
        "/health/ready",
        summary="Whether this node should be sent work",
        response_model=ReadyDocument,
        responses={503: {"model": ReadyDocument, "description": "not ready"}},
        openapi_extra=rule(Rule.OPEN),
        tags=["health"],
    )
    async def ready() -> Response:
        checks = await services.readiness.checks()
        is_ready = all(check.ok for check in checks.values())
        document = {
            "status": "ready" if is_ready else "not_ready",
            "checks": {name: {"ok": check.ok, "detail": check.detail} for name, check in checks.items()},
        }
        return json_response(document, status=200 if is_ready else 503, headers={"Cache-Control": "no-store"})

    return router
