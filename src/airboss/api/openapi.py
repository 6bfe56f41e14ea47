"""The OpenAPI document, with what the framework leaves out of it."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from airboss.api.documents.errors import error_answers, error_schemas
from airboss.api.documents.headers import RATE_HEADERS, REQUEST_HEADERS, answer_headers, header_components
from airboss.api.routing import BEARER_SCHEME, RATE, RULE, TICKET_SCHEME, Rule

_OURS = "airboss.api."
_SCHEMES = {
    BEARER_SCHEME: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A signed JWT, where the server asks for one (`auth.mode: jwt`). Each role includes the"
        " weaker ones: read, run, admin.",
    },
    TICKET_SCHEME: {
        "type": "apiKey",
        "in": "query",
        "name": "ticket",
        "description": "From `POST /v1/events/tickets`, good once and for 30 s: for browsers' event streams.",
    },
}
_REFUSALS = ("unauthenticated", "token_expired", "forbidden")


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the document; examples keep their nulls, which say that a field is there and empty."""
    document = app.openapi()
    schemas = document["components"]["schemas"]
    schemas.update(error_schemas())
    for model in _models(BaseModel):
        extra = model.model_config.get("json_schema_extra")
        if isinstance(extra, dict) and model.__name__ in schemas:
            schemas[model.__name__].update(extra)
    document["components"]["securitySchemes"] = _SCHEMES
    document["components"]["headers"] = header_components()
    for item in document["paths"].values():
        for operation in item.values():
            if operation[RULE] != Rule.OPEN:
                _tell_refusals(operation["responses"])
            _tell_headers(operation)
            for body in (operation.get("requestBody", {}), *operation["responses"].values()):
                _show_example(body, schemas)
    return document


def _show_example(body: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Put the first example of a schema beside it too, where most readers of such documents look."""
    shown = body.get("content", {}).get("application/json", {})
    name = str(shown.get("schema", {}).get("$ref", "")).rpartition("/")[2]
    examples = schemas.get(name, {}).get("examples")
    if examples and "example" not in shown and "examples" not in shown:
        shown["example"] = examples[0]


def _tell_refusals(responses: dict[str, Any]) -> None:
    """Add what every route with a rule may answer to what the route itself says."""
    for status, answer in error_answers(*_REFUSALS).items():
        responses[str(status)] = answer


def _tell_headers(operation: dict[str, Any]) -> None:
    """Add the headers that come with every answer, and with every one that was counted: who is not known is not."""
    for status, answer in operation["responses"].items():
        counted = RATE_HEADERS if RATE in operation and status != "401" else ()
        told = answer_headers(*REQUEST_HEADERS, *counted)["headers"]
        answer["headers"] = {**answer.get("headers", {}), **told}


def _models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        if model.__module__.startswith(_OURS):
            yield model
            yield from _models(model)
