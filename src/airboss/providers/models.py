"""Models by provider and name, as the agents SDK calls them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import httpx2
from agents import Model, OpenAIChatCompletionsModel, OpenAIResponsesModel

from airboss.domain.providers import ProviderApi, ProviderKind
from airboss.providers.anthropic_native.choice import MESSAGES
from airboss.providers.anthropic_native.model import AnthropicModel
from airboss.providers.guarded_model import GuardedModel
from airboss.providers.offline.model import MODEL_NAME as OFFLINE_MODEL
from airboss.providers.offline.model import OfflineModel
from airboss.providers.plain_client import PlainClient
from airboss.providers.registry import Provider, ProviderRegistry


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may answer a call, and whose it is."""

    provider: str
    model: str
    answers: Model


class ModelSource(Protocol):
    """Gives the models that may answer for an agent, the first choice first."""

    def candidates(self, provider: str, model: str) -> Sequence[Candidate]: ...


class ProviderModels:
    """Builds the models over the providers' connections and call paths."""

    def __init__(self, providers: ProviderRegistry) -> None:
        self._providers = providers
        self._models: dict[tuple[str, str], Model] = {}

    def candidates(self, provider: str, model: str) -> Sequence[Candidate]:
        return [
            Candidate(each.spec.name, _name(each, model), self._model(each, model))
            for each in self._providers.chain(provider)
        ]

    def _model(self, provider: Provider, name: str) -> Model:
        place = (provider.spec.name, name)
        if place not in self._models:
            self._models[place] = _model(provider, name)
        return self._models[place]


def _name(provider: Provider, model: str) -> str:
    """Return who will answer: the planner is no language model, whatever was asked for."""
    return OFFLINE_MODEL if provider.spec.kind is ProviderKind.OFFLINE else model


def _model(provider: Provider, name: str) -> Model:
    if provider.spec.kind is ProviderKind.OFFLINE:
        return OfflineModel()
    return GuardedModel(WireModel(provider, name), provider.path, name)


class WireModel:
    """The SDK's model; the key is read once a call, and the client built anew only for another: that is dear."""

    def __init__(self, provider: Provider, name: str) -> None:
        self._provider = provider
        self._name = name
        self._model: Model | None = None
        self._made_for: tuple[str, httpx2.AsyncClient] | None = None

    def __call__(self) -> Model:
        connection = self._provider.connection
        if connection.wire == MESSAGES:
            return AnthropicModel(connection, self._name)
        wanted = (connection.api_key(), connection.streams())
        if self._model is None or self._made_for != wanted:
            self._model, self._made_for = self._build(*wanted), wanted
        return self._model

    def _build(self, api_key: str, http_client: httpx2.AsyncClient) -> Model:
        base_url = self._provider.connection.base_url
        client = PlainClient(base_url=base_url, api_key=api_key, max_retries=0, http_client=http_client)
        if self._provider.spec.api is ProviderApi.RESPONSES:
            return OpenAIResponsesModel(model=self._name, openai_client=client)
        return OpenAIChatCompletionsModel(model=self._name, openai_client=client)
