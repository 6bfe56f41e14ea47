"""Providers as the API shows them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from airboss.api.documents.jobs import ErrorInJob
from airboss.domain.times import rfc3339
from airboss.providers.catalogue import ModelList
from airboss.providers.registry import Provider
from airboss.resilience.breaker import BreakerSnapshot

PROVIDER_EXAMPLE: dict[str, Any] = {
    "name": "openai",
    "kind": "openai",
    "api": "chat_completions",
    "wire": "chat_completions",
    "fallback": [],
    "limits": {
        "max_concurrent_calls": 8,
        "requests_per_minute": None,
        "calls_in_flight": 1,
        "calls_waiting": 0,
    },
    "breakers": [
        {
            "model": "gpt-5-mini",
            "state": "closed",
            "calls": 12,
            "failures": 0,
            "slow_calls": 0,
            "retry_after_seconds": None,
        }
    ],
}
MODELS_EXAMPLE: dict[str, Any] = {
    "data": [{"name": "gpt-5-mini"}],
    "fetched_at": "2026-11-21T18:48:00.000Z",
    "age_seconds": 12.5,
    "error": None,
}


class LimitsDocument(BaseModel):
    max_concurrent_calls: int
    requests_per_minute: int | None
    calls_in_flight: int
    calls_waiting: int


class BreakerDocument(BaseModel):
    model: str
    state: str
    calls: int
    failures: int
    slow_calls: int
    retry_after_seconds: float | None


class ProviderDocument(BaseModel):
    """A provider with its limits, and the breaker of each model that was called."""

    model_config = ConfigDict(json_schema_extra={"examples": [PROVIDER_EXAMPLE]})

    name: str
    kind: str
    api: str
    wire: str
    fallback: list[str]
    limits: LimitsDocument
    breakers: list[BreakerDocument]


class ProviderListDocument(BaseModel):
    model_config = ConfigDict(json_schema_extra={"examples": [{"data": [PROVIDER_EXAMPLE]}]})

    data: list[ProviderDocument]


class ModelDocument(BaseModel):
    name: str


class ModelListDocument(BaseModel):
    """A provider's models with their age; `error` says why the last asking failed."""

    model_config = ConfigDict(json_schema_extra={"examples": [MODELS_EXAMPLE]})

    data: list[ModelDocument]
    fetched_at: datetime | None
    age_seconds: float | None
    error: ErrorInJob | None


def provider_document(provider: Provider) -> dict[str, Any]:
    spec, path = provider.spec, provider.path
    return {
        "name": spec.name,
        "kind": spec.kind.value,
        "api": spec.api.value,
        "wire": provider.connection.wire,
        "fallback": spec.fallback,
        "limits": {
            "max_concurrent_calls": spec.limits.max_concurrent_calls,
            "requests_per_minute": spec.limits.requests_per_minute,
            "calls_in_flight": path.limiter.in_flight,
            "calls_waiting": path.limiter.waiting,
        },
        "breakers": [_breaker(model, path.breakers[model].snapshot()) for model in sorted(path.breakers)],
    }


def _breaker(model: str, snapshot: BreakerSnapshot) -> dict[str, Any]:
    return {
        "model": model,
        "state": snapshot.state.value,
        "calls": snapshot.calls,
        "failures": snapshot.failures,
        "slow_calls": snapshot.slow_calls,
        "retry_after_seconds": snapshot.retry_after_seconds,
    }


def models_document(models: ModelList) -> dict[str, Any]:
    return {
        "data": [{"name": name} for name in models.models],
        "fetched_at": None if models.fetched_at_ms is None else rfc3339(models.fetched_at_ms),
        "age_seconds": models.age_seconds,
        "error": models.error and models.error.to_dict(),
    }
