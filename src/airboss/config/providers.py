"""Settings of the model providers: `providers.NAME`."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from airboss.config.section import Section
from airboss.config.values import Amount, Capacity, DelaySeconds, HttpUrl, Name, Seconds, Secret, Share
from airboss.security.secrets import SecretReference

ProviderKind = Literal["openai", "openai_compatible", "anthropic", "ollama", "offline"]

BUILT_IN_PROVIDERS = ("openai", "offline")

_KEY_VARIABLES = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


def _key_of_kind(validated: dict[str, Any]) -> SecretReference | None:
    # One vendor's key must not travel to another: only the kinds that name their vendor have a default.
    variable = _KEY_VARIABLES.get(validated.get("kind", ""))
    return None if variable is None else SecretReference("env", variable)


def _kind_may_be_left_out(schema: dict[str, Any]) -> None:
    # The built-in providers bring their kind along; the others are refused by validation.
    schema.pop("required", None)


class ProviderTimeouts(Section):
    """How long a call may take, from its parts to the whole."""

    connect_seconds: Seconds = Field(5, description="Seconds to connect: a dead host should show quickly.")
    attempt_seconds: Seconds = Field(60, description="Seconds for one attempt, its stream included.")
    total_seconds: Seconds = Field(
        180, description="Seconds for a call with all its retries; then the job fails with provider_timeout."
    )


class ProviderRetry(Section):
    """When a failed call is made again, and when that would only add load."""

    max_attempts: Capacity = Field(
        3, description="Attempts of one call, the first included; 1 never retries."
    )
    base_seconds: Seconds = Field(
        0.5, description="Seconds of the first wait; it doubles each time, with jitter."
    )
    cap_seconds: Seconds = Field(
        20, description="Seconds of the longest wait; a Retry-After beyond it ends the call instead."
    )
    budget_ratio: Amount = Field(
        0.1, description="Retries per call over time, at most: an outage must not multiply the load."
    )
    budget_floor_per_10_seconds: Amount = Field(
        3, description="Retries per 10 seconds that are always allowed, so that a quiet server retries too."
    )


class ProviderBreaker(Section):
    """When a provider is left alone for a while."""

    window_calls: Capacity = Field(
        20, description="Latest calls that are judged, each counted with its retries as one."
    )
    minimum_calls: Capacity = Field(
        5, description="Calls in the window before it is judged: one failure proves little."
    )
    failure_rate: Share = Field(0.5, description="Share of failed calls, 0 to 1, that opens the breaker.")
    slow_call_seconds: Seconds = Field(30, description="Seconds after which a call counts as slow.")
    slow_rate: Share = Field(1.0, description="Share of slow calls, 0 to 1, that opens the breaker.")
    open_seconds: Seconds = Field(15, description="Seconds the breaker stays open before it probes again.")
    half_open_calls: Capacity = Field(1, description="Probing calls let through at once while half open.")


class ProviderSettings(Section):
    """One provider of models, and how carefully it is called."""

    model_config = ConfigDict(json_schema_extra=_kind_may_be_left_out)

    kind: ProviderKind = Field(
        description="Protocol and vendor; the built-in providers `openai` and `offline` may leave it out."
    )
    base_url: HttpUrl | None = Field(
        None, description="Address of the API; null: the kind's own, or OPENAI_BASE_URL for kind openai."
    )
    api_key: Secret | None = Field(
        default_factory=_key_of_kind,
        description=(
            "Reference to the key; left out: secret://env/OPENAI_API_KEY for kind openai, "
            "secret://env/ANTHROPIC_API_KEY for kind anthropic, none for the others."
        ),
    )
    api: Literal["chat_completions", "responses"] = Field(
        "chat_completions",
        description="Which API of OpenAI's is spoken; most compatible servers know only the first.",
    )
    max_concurrent_calls: Capacity = Field(
        8, description="Calls at once on this node; the others wait their turn."
    )
    requests_per_minute: Capacity | None = Field(
        None, description="Calls started per minute, to stay below the account's own limit; null: no limit."
    )
    timeouts: ProviderTimeouts = Field(
        default_factory=ProviderTimeouts, description="How long a call may take."
    )
    retry: ProviderRetry = Field(default_factory=ProviderRetry, description="When a call is made again.")
    breaker: ProviderBreaker = Field(
        default_factory=ProviderBreaker, description="When a provider is left alone."
    )
    max_answer_bytes: Capacity = Field(
        8_388_608,
        description="Largest answer in bytes; a longer one is provider_bad_answer, to keep memory flat.",
    )
    models_ttl_seconds: DelaySeconds = Field(
        300, description="Seconds the list of models is kept before it is asked for again."
    )
    fallback: tuple[Name, ...] = Field(
        (), description="Providers tried next, in this order, while this one is unavailable."
    )
    readiness_probe: bool = Field(
        default=False,
        description="Whether /health/ready depends on this provider; one outage can then stop all nodes.",
    )
