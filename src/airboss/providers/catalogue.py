"""Which models a provider offers: asked rarely, kept, and told with its age."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
from pydantic_core import from_json

from airboss.domain.errors import JobError, JobFailure
from airboss.domain.providers import ProviderKind
from airboss.ports.clock import Clock
from airboss.providers.connection import ProviderConnection
from airboss.providers.faults import ProviderFault, bad_answer, fault_of_status, timed_out, unreachable

_OFFLINE_MODELS = ("planner",)
_MAX_BYTES = 4 * 1024 * 1024
_ANTHROPIC_VERSION = "2023-06-01"


@dataclass(frozen=True, slots=True)
class ModelList:
    """Models by name; `fetched_at_ms` None where none was ever had, `error` why the last asking failed."""

    models: Sequence[str] = ()
    fetched_at_ms: int | None = None
    age_seconds: float | None = None
    error: JobError | None = None


class ModelCatalogue:
    """One per provider. Who asks while an answer is fetched shares it; a provider that is down keeps its last."""

    def __init__(self, connection: ProviderConnection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._models: tuple[str, ...] = ()
        self._fetched_at_ms: int | None = None
        self._fetched_at = 0.0
        self._error: JobError | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def models(self) -> ModelList:
        """Return the list, fetched anew where it is older than `models_ttl_seconds`."""
        ttl_seconds = self._connection.spec.models_ttl_seconds
        is_old = self._fetched_at_ms is None or self._clock.monotonic() - self._fetched_at >= ttl_seconds
        return await self.refresh() if is_old else self._list()

    async def refresh(self) -> ModelList:
        """Fetch the list now."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.create_task(self._fetch(), name="fetch models")
        await asyncio.shield(self._fetching)
        return self._list()

    async def close(self) -> None:
        """End what is being fetched."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    def _list(self) -> ModelList:
        if self._fetched_at_ms is None:
            return ModelList(error=self._error)
        age_seconds = self._clock.monotonic() - self._fetched_at
        return ModelList(self._models, self._fetched_at_ms, round(age_seconds, 3), self._error)

    async def _fetch(self) -> None:
        provider = self._connection.spec.name
        try:
            models = await self._ask()
        except ProviderFault as fault:
            self._error = fault.to_failure(provider).error
        except JobFailure as failure:
            self._error = failure.error
        else:
            self._models, self._error = models, None
            self._fetched_at_ms, self._fetched_at = self._clock.now_ms(), self._clock.monotonic()

    async def _ask(self) -> tuple[str, ...]:
        spec = self._connection.spec
        if spec.kind is ProviderKind.OFFLINE:
            return _OFFLINE_MODELS
        client = self._connection.documents(spec.timeouts.attempt_seconds)
        try:
            async with asyncio.timeout(spec.timeouts.attempt_seconds):
                body = await _read(client, f"{self._connection.base_url}/models", self._headers())
        except (TimeoutError, httpx2.TimeoutException):
            raise timed_out("did not list its models in time") from None
        except httpx2.TransportError:
            raise unreachable("could not be reached") from None
        except httpx2.DecodingError:
            raise bad_answer("listed its models in an encoding it does not keep to") from None
        return _names(body)

    def _headers(self) -> dict[str, str]:
        key = self._connection.api_key()
        headers = {"Authorization": f"Bearer {key}"}
        if self._connection.spec.kind is ProviderKind.ANTHROPIC:
            headers |= {"x-api-key": key, "anthropic-version": _ANTHROPIC_VERSION}
        return headers


async def _read(client: httpx2.AsyncClient, url: str, headers: dict[str, str]) -> bytes:
    async with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code != httpx2.codes.OK:
            raise fault_of_status(answer.status_code, None)
        body = b""
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > _MAX_BYTES:
                raise bad_answer("listed too many models")
        return body


def _names(body: bytes) -> tuple[str, ...]:
    try:
        document: Any = from_json(body)
        names = [str(model["id"])[:200] for model in document["data"]]
    except (ValueError, TypeError, KeyError):
        raise bad_answer("listed its models in a shape that is not known") from None
    return tuple(sorted(names))
