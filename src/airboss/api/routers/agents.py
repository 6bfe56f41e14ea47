"""Agents: what can be spawned, and what runs now."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from airboss.api.documents.agents import AgentDocument, AgentList, agent_document
from airboss.api.documents.errors import error_answers
from airboss.api.json_response import json_response
from airboss.api.routing import Rule, rule, ruled_router
from airboss.api.services import Services, principal_of


def agents_router(services: Services) -> APIRouter:
    router = ruled_router(services)
    manager = services.manager

    @router.get(
        "/v1/agents",
        summary="List agents",
        response_model=AgentList,
        openapi_extra=rule(Rule.READ),
        tags=["agents"],
    )
    async def list_agents(request: Request) -> Response:
        views = manager.agent_views(principal_of(request).scope)
        return json_response({"data": [agent_document(view) for view in views]})

    @router.get(
        "/v1/agents/{name}",
        summary="Show an agent",
        response_model=AgentDocument,
        responses=error_answers("unknown_agent"),
        openapi_extra=rule(Rule.READ),
        tags=["agents"],
    )
    async def show_agent(request: Request, name: str) -> Response:
        spec = manager.registry.get(name)
        (view,) = (view for view in manager.agent_views(principal_of(request).scope) if view.spec is spec)
        return json_response(agent_document(view))

    return router
