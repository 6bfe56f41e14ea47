"""Prometheus metrics."""

import asyncio

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import PlainTextResponse, Response

from airboss.api.routing import Rule, rule, ruled_router
from airboss.api.services import Services


def metrics_router(services: Services) -> APIRouter:
    router = ruled_router(services)
    metrics = services.metrics

    @router.get(
        "/metrics",
        summary="Prometheus metrics",
        response_class=PlainTextResponse,
        responses={
            200: {
                "content": {
                    "text/plain": {"example": 'airboss_jobs_total{agent="offline",outcome="completed"} 1.0\n'}
                }
            }
        },
        openapi_extra=rule(Rule.OPEN if services.edge.metrics_public else Rule.READ),
        tags=["metrics"],
    )
    async def scrape() -> Response:
        metrics.take_gauges()
        body = await asyncio.to_thread(metrics.render)
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    return router
