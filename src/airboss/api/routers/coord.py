"""Coordination: queues and nodes, taken out of service and back."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from airboss.api.documents.agents import QueueDocument, QueueList, queue_document
from airboss.api.documents.errors import error_answers
from airboss.api.documents.nodes import NodeDocument, NodeList, node_document
from airboss.api.json_response import json_response
from airboss.api.routing import Rule, rule, ruled_router
from airboss.api.services import Services, caller_of


def coord_router(services: Services) -> APIRouter:
    router = ruled_router(services)
    manager = services.manager

    @router.get(
        "/v1/coord/queues",
        summary="List the agents' queues",
        response_model=QueueList,
        openapi_extra=rule(Rule.READ),
        tags=["coord"],
    )
    async def queues() -> Response:
        return json_response({"data": [queue_document(view) for view in manager.queues()]})

    @router.post(
        "/v1/coord/queues/{agent}/pause",
        summary="Start no more jobs of an agent; those that run go on",
        response_model=QueueDocument,
        responses=error_answers("unknown_agent"),
        openapi_extra=rule(Rule.ADMIN),
        tags=["coord"],
    )
    async def pause(request: Request, agent: str) -> Response:
        return json_response(queue_document(await manager.pause(agent, caller_of(request))))

    @router.post(
        "/v1/coord/queues/{agent}/resume",
        summary="Start jobs of an agent again",
        response_model=QueueDocument,
        responses=error_answers("unknown_agent"),
        openapi_extra=rule(Rule.ADMIN),
        tags=["coord"],
    )
    async def resume(request: Request, agent: str) -> Response:
        return json_response(queue_document(await manager.resume(agent, caller_of(request))))

    @router.get(
        "/v1/coord/nodes",
        summary="List the nodes and how loaded they are",
        response_model=NodeList,
        openapi_extra=rule(Rule.READ),
        tags=["coord"],
    )
    async def nodes() -> Response:
        return json_response({"data": [node_document(manager)]})

    @router.post(
        "/v1/coord/nodes/{node_id}/drain",
        summary="Take a node out of service; what runs goes on",
        response_model=NodeDocument,
        responses=error_answers("unknown_node"),
        openapi_extra=rule(Rule.ADMIN),
        tags=["coord"],
    )
    async def drain(request: Request, node_id: str) -> Response:
        await manager.duty.drain(node_id, caller_of(request))
        return json_response(node_document(manager))

    @router.post(
        "/v1/coord/nodes/{node_id}/resume",
        summary="Put a node back into service",
        response_model=NodeDocument,
        responses=error_answers("unknown_node", "draining"),
        openapi_extra=rule(Rule.ADMIN),
        tags=["coord"],
    )
    async def resume_node(request: Request, node_id: str) -> Response:
        await manager.duty.resume(node_id, caller_of(request))
        return json_response(node_document(manager))

    return router
