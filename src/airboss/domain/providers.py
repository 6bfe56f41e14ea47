"""A provider as it was configured."""

from dataclasses import dataclass
from enum import StrEnum


class ProviderKind(StrEnum):
    OPENAI = "openai"
    OPENAI_COMPATIBLE = "openai_compatible"
    ANTHROPIC = "anthropic"
    OLLAMA = "ollama"
    OFFLINE = "offline"


class ProviderApi(StrEnum):
    CHAT_COMPLETIONS = "chat_completions"
    RESPONSES = "responses"


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """How to reach a provider; `api_key` is a secret's reference, resolved when it is used."""

    name: str
    kind: ProviderKind
    base_url: str | None
    api_key: str | None
    api: ProviderApi
    max_concurrent_calls: int
    connect_seconds: float
    attempt_seconds: float
