"""Providers: how they are, and which models they offer."""

from fastapi import APIRouter
from starlette.responses import Response

from airboss.api.documents.errors import error_answers
from airboss.api.documents.providers import (
    ModelListDocument,
    ProviderDocument,
    ProviderListDocument,
    models_document,
    provider_document,
)
from airboss.api.json_response import json_response
from airboss.api.routing import Rule, rule, ruled_router
from airboss.api.services import Services


def providers_router(services: Services) -> APIRouter:
    router = ruled_router(services)
    providers = services.providers

    @router.get(
        "/v1/providers",
        summary="List providers with their breakers",
        response_model=ProviderListDocument,
        openapi_extra=rule(Rule.READ),
        tags=["providers"],
    )
    async def list_providers() -> Response:
        return json_response({"data": [provider_document(provider) for provider in providers]})

    @router.get(
        "/v1/providers/{name}",
        summary="Show a provider",
        response_model=ProviderDocument,
        responses=error_answers("unknown_provider"),
        openapi_extra=rule(Rule.READ),
        tags=["providers"],
    )
    async def show_provider(name: str) -> Response:
        return json_response(provider_document(providers.get(name)))

    @router.get(
        "/v1/providers/{name}/models",
        summary="List a provider's models, with their age",
        response_model=ModelListDocument,
        responses=error_answers("unknown_provider"),
        openapi_extra=rule(Rule.READ),
        tags=["providers"],
    )
    async def list_models(name: str) -> Response:
        return json_response(models_document(await providers.get(name).catalogue.models()))

    @router.post(
        "/v1/providers/{name}/models/refresh",
        summary="Ask a provider for its models now",
        response_model=ModelListDocument,
        responses=error_answers("unknown_provider"),
        openapi_extra=rule(Rule.ADMIN),
        tags=["providers"],
    )
    async def refresh_models(name: str) -> Response:
        return json_response(models_document(await providers.get(name).catalogue.refresh()))

    return router
