"""Models by provider and name, as the agents SDK calls them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from agents import Model, OpenAIChatCompletionsModel, OpenAIResponsesModel
from openai import AsyncOpenAI

from airboss.domain.providers import ProviderApi, ProviderKind
from airboss.providers.anthropic_native.choice import MESSAGES
from airboss.providers.anthropic_native.model import AnthropicModel
from airboss.providers.guarded_model import GuardedModel
from airboss.providers.offline.model import MODEL_NAME as OFFLINE_MODEL
from airboss.providers.offline.model import OfflineModel
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

    def candidates(self, provider: str, model: str) -> Sequence[Candidate]:
        return [
            Candidate(each.spec.name, _name(each, model), _model(each, model))
            for each in self._providers.chain(provider)
        ]


def _name(provider: Provider, model: str) -> str:
    """Return who will answer: the planner is no language model, whatever was asked for."""
    return OFFLINE_MODEL if provider.spec.kind is ProviderKind.OFFLINE else model


def _model(provider: Provider, name: str) -> Model:
    if provider.spec.kind is ProviderKind.OFFLINE:
        return OfflineModel()
    return GuardedModel(lambda: _wire_model(provider, name), provider.path, name)


def _wire_model(provider: Provider, name: str) -> Model:
    """Build the SDK's model; the key is read here, once a call."""
    if provider.connection.wire == MESSAGES:
        return AnthropicModel(provider.connection, name)
    client = AsyncOpenAI(
        base_url=provider.connection.base_url,
        api_key=provider.connection.api_key(),
        max_retries=0,
        http_client=provider.connection.streams(),
    )
    if provider.spec.api is ProviderApi.RESPONSES:
        return OpenAIResponsesModel(model=name, openai_client=client)
    return OpenAIChatCompletionsModel(model=name, openai_client=client)
