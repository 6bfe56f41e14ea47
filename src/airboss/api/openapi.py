"""The OpenAPI document, with what the framework leaves out of it."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel

from airboss.api.documents.errors import error_schemas

_OURS = "airboss.api."


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the document; examples keep their nulls, which say that a field is there and empty."""
    document = app.openapi()
    schemas = document["components"]["schemas"]
    schemas.update(error_schemas())
    for model in _models(BaseModel):
        extra = model.model_config.get("json_schema_extra")
        if isinstance(extra, dict) and model.__name__ in schemas:
            schemas[model.__name__].update(extra)
    return document


def _models(base: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for model in base.__subclasses__():
        if model.__module__.startswith(_OURS):
            yield model
            yield from _models(model)
