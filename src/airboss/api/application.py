"""The FastAPI application: routers side by side, errors in one envelope, a rule on every route."""

from fastapi import FastAPI

from airboss.api.dashboard.error_pages import install_error_pages
from airboss.api.errors import install_error_handlers
from airboss.api.openapi import openapi_document
from airboss.api.routers.agents import agents_router
from airboss.api.routers.audit import audit_router
from airboss.api.routers.coord import coord_router
from airboss.api.routers.events import events_router
from airboss.api.routers.health import health_router
from airboss.api.routers.jobs import jobs_router
from airboss.api.routers.mcp import mcp_router
from airboss.api.routers.metrics import metrics_router
from airboss.api.routers.providers import providers_router
from airboss.api.routers.root import root_router
from airboss.api.routers.ui import ui_router
from airboss.api.routing import add_routes, require_rules
from airboss.api.services import Services


def build_application(services: Services) -> FastAPI:
    """Build the application; raises `MissingRuleError` where a route declares no rule."""
    app = FastAPI(
        title="Airboss",
        version=services.version,
        description="Runs AI agents as jobs: durable, cancellable, observable.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    install_error_handlers(app)
    install_error_pages(app)
    add_routes(
        app,
        [
            # The routes that are asked most stand first: they are matched in order.
            jobs_router(services),
            events_router(services),
            health_router(services),
            agents_router(services),
            providers_router(services),
            mcp_router(services),
            coord_router(services),
            audit_router(services),
            metrics_router(services),
            root_router(services, lambda: openapi_document(app)),
            ui_router(services),
        ],
    )
    require_rules(app)
    return app
