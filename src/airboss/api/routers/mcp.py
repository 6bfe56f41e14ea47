"""MCP servers: defined, tried, started, stopped, and what they offer."""

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.requests import Request
from starlette.responses import Response

from airboss.api.documents.errors import error_answers
from airboss.api.documents.headers import answer_headers
from airboss.api.documents.mcp import (
    ServerBody,
    ServerDocument,
    ServerList,
    SpecBody,
    SpecCheckBody,
    SpecCheckDocument,
    ToolList,
    check_document,
    server_document,
    tools_document,
)
from airboss.api.json_response import json_response
from airboss.api.routing import Rule, rule, ruled_router
from airboss.api.services import Services, caller_of
from airboss.domain.errors import AirbossError
from airboss.manager.mcp_servers import McpServers

_BODY_ERRORS = ("invalid_json", "receive_timeout", "body_too_large", "invalid_body", "forbidden")


def mcp_router(services: Services) -> APIRouter:
    router = ruled_router(services)
    _add_questions(router, services.mcp)
    _add_definitions(router, services.mcp)
    _add_switches(router, services.mcp)
    return router


def _add_questions(router: APIRouter, servers: McpServers) -> None:
    @router.get(
        "/v1/mcp/servers",
        summary="List MCP servers and how they stand",
        response_model=ServerList,
        openapi_extra=rule(Rule.READ),
        tags=["mcp"],
    )
    async def list_servers() -> Response:
        return json_response({"data": [server_document(view) for view in servers.views()]})

    @router.get(
        "/v1/mcp/servers/{name}",
        summary="Show an MCP server",
        response_model=ServerDocument,
        responses=error_answers("unknown_server"),
        openapi_extra=rule(Rule.READ),
        tags=["mcp"],
    )
    async def show_server(name: str) -> Response:
        return json_response(server_document(servers.view(name)))

    @router.get(
        "/v1/mcp/servers/{name}/tools",
        summary="List an MCP server's tools, opening its connection where needed",
        response_model=ToolList,
        responses=error_answers("unknown_server"),
        openapi_extra=rule(Rule.READ),
        tags=["mcp"],
    )
    async def list_tools(name: str) -> Response:
        return json_response(tools_document(await servers.tools(name)))

    @router.post(
        "/v1/mcp/servers/check",
        summary="Try a json_spec once and keep nothing: what would happen, and what did",
        response_model=SpecCheckDocument,
        responses=error_answers(*_BODY_ERRORS, "server_exists"),
        openapi_extra=rule(Rule.ADMIN),
        tags=["mcp"],
    )
    async def check_server(body: Annotated[SpecCheckBody, Body()]) -> Response:
        return json_response(check_document(await servers.check(body.name, body.json_spec)))


def _add_definitions(router: APIRouter, servers: McpServers) -> None:
    @router.post(
        "/v1/mcp/servers",
        summary="Add an MCP server",
        response_model=ServerDocument,
        status_code=201,
        responses={
            201: {"description": "it is kept", **answer_headers("Location")},
            **error_answers(*_BODY_ERRORS, "server_exists", "storage_unavailable"),
        },
        openapi_extra=rule(Rule.ADMIN),
        tags=["mcp"],
    )
    async def create_server(request: Request, body: Annotated[ServerBody, Body()]) -> Response:
        view = await servers.create(body.name, body.json_spec, caller_of(request))
        headers = {"Location": f"/v1/mcp/servers/{view.server.name}"}
        return json_response(server_document(view), status=201, headers=headers)

    @router.put(
        "/v1/mcp/servers/{name}",
        summary="Give an MCP server another json_spec; a running one is opened anew",
        response_model=ServerDocument,
        responses=error_answers(*_BODY_ERRORS, "unknown_server", "storage_unavailable"),
        openapi_extra=rule(Rule.ADMIN),
        tags=["mcp"],
    )
    async def update_server(request: Request, name: str, body: Annotated[SpecBody, Body()]) -> Response:
        if body.name not in (None, name):
            raise AirbossError("invalid_body", f"name: a server keeps its name, which is '{name[:64]}'")
        view = await servers.update(name, body.json_spec, caller_of(request))
        return json_response(server_document(view))

    @router.delete(
        "/v1/mcp/servers/{name}",
        summary="Close and delete an MCP server",
        status_code=204,
        response_class=Response,
        responses=error_answers("forbidden", "unknown_server", "storage_unavailable"),
        openapi_extra=rule(Rule.ADMIN),
        tags=["mcp"],
    )
    async def delete_server(request: Request, name: str) -> Response:
        await servers.delete(name, caller_of(request))
        return Response(status_code=204)


def _add_switches(router: APIRouter, servers: McpServers) -> None:
    @router.post(
        "/v1/mcp/servers/{name}/start",
        summary="Open an MCP server's connection; its state says how that went",
        response_model=ServerDocument,
        responses=error_answers("forbidden", "unknown_server", "storage_unavailable"),
        openapi_extra=rule(Rule.ADMIN),
        tags=["mcp"],
    )
    async def start_server(request: Request, name: str) -> Response:
        return json_response(server_document(await servers.start(name, caller_of(request))))

    @router.post(
        "/v1/mcp/servers/{name}/stop",
        summary="Close an MCP server's connection and keep it closed",
        response_model=ServerDocument,
        responses=error_answers("unknown_server", "storage_unavailable"),
        openapi_extra=rule(Rule.ADMIN),
        tags=["mcp"],
    )
    async def stop_server(request: Request, name: str) -> Response:
        return json_response(server_document(await servers.stop(name, caller_of(request))))
