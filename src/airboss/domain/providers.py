"""A provider as it was configured."""

from dataclasses import dataclass
from enum import StrEnum

from airboss.domain.provider_policies import BreakerPolicy, CallLimitPolicy, RetryPolicy, TimeoutPolicy


class ProviderKind(StrEnum):
    OPENAI = "openai"
    OPENAI_COMPATIBLE = "openai_compatible"
    ANTHROPIC = "anthropic"
    OLLAMA = "ollama"
    OFFLINE = "offline"


#: All models of kind offline; those of the other kinds are their servers' to tell.
OFFLINE_MODELS = ("planner",)


class ProviderApi(StrEnum):
    CHAT_COMPLETIONS = "chat_completions"
    RESPONSES = "responses"


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """How to reach a provider, and how carefully; `api_key` is a secret's reference."""

    name: str
    kind: ProviderKind
    base_url: str | None
    api_key: str | None
    api: ProviderApi
    limits: CallLimitPolicy
    timeouts: TimeoutPolicy
    retry: RetryPolicy
    breaker: BreakerPolicy
    max_answer_bytes: int
    models_ttl_seconds: float
    fallback: tuple[str, ...]
    readiness_probe: bool
