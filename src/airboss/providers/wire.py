"""Providers that speak OpenAI's wire, over HTTP clients made here."""

from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import httpx2
import openai
from agents import Model, ModelResponse, OpenAIChatCompletionsModel, OpenAIResponsesModel
from openai import AsyncOpenAI
from openai.types.responses import ResponseStreamEvent

from airboss.domain.errors import JobFailure
from airboss.domain.providers import ProviderApi, ProviderKind, ProviderSpec
from airboss.security.secrets import SecretUnavailable

#: Resolves a secret's reference; raises `SecretUnavailable`.
ReadSecret = Callable[[str], str]

_BASE_URLS = {
    ProviderKind.OPENAI: "https://api.openai.com/v1",
    ProviderKind.ANTHROPIC: "https://api.anthropic.com/v1",
    ProviderKind.OLLAMA: "http://127.0.0.1:11434/v1",
}
#: Ollama and most self-hosted servers want no key, the client library wants one.
_NO_KEY = "none"


class WireProvider:
    """One HTTP client and pool per provider; the SDK's own retries are off."""

    def __init__(self, spec: ProviderSpec, read_secret: ReadSecret) -> None:
        self._spec = spec
        self._read_secret = read_secret
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(spec.attempt_seconds, connect=spec.connect_seconds),
            limits=httpx2.Limits(
                max_connections=spec.max_concurrent_calls,
                max_keepalive_connections=spec.max_concurrent_calls,
            ),
            follow_redirects=False,
            trust_env=False,
        )

    def model(self, name: str) -> Model:
        client = AsyncOpenAI(
            base_url=self._spec.base_url or _BASE_URLS.get(self._spec.kind),
            api_key=self._api_key(),
            max_retries=0,
            http_client=self._http,
        )
        if self._spec.api is ProviderApi.RESPONSES:
            return MappedModel(OpenAIResponsesModel(model=name, openai_client=client), self._spec.name)
        return MappedModel(OpenAIChatCompletionsModel(model=name, openai_client=client), self._spec.name)

    def _api_key(self) -> str:
        """Read the key at each use, so that it can be rotated."""
        if self._spec.api_key is None:
            return _NO_KEY
        try:
            return self._read_secret(self._spec.api_key)
        except SecretUnavailable as error:
            raise JobFailure(
                "provider_auth", f"provider '{self._spec.name}' has no usable key: {error}"
            ) from None

    async def close(self) -> None:
        await self._http.aclose()


class MappedModel(Model):
    """A wire model whose failures are told in the words of the contract."""

    def __init__(self, inner: Model, provider: str) -> None:
        self._inner = inner
        self._provider = provider

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        raise NotImplementedError("answers are always streamed")

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[ResponseStreamEvent]:
        stream: Any = self._inner.stream_response(*args, **kwargs)
        try:
            async with aclosing(stream):
                async for event in stream:
                    yield event
        except openai.APITimeoutError:
            raise self._failure("provider_timeout", "did not answer in time") from None
        except openai.APIConnectionError:
            raise self._failure("provider_unavailable", "could not be reached") from None
        except openai.APIStatusError as error:
            raise self._failure_of_status(error.status_code) from None
        except (openai.APIError, httpx2.HTTPError):
            raise self._failure("provider_bad_answer", "broke off or answered what cannot be used") from None

    def _failure_of_status(self, status: int) -> JobFailure:
        # A provider's own text never reaches a caller: it may hold anything.
        if status in (401, 403):
            return self._failure("provider_auth", f"refused its key (HTTP {status})")
        if status == 429:  # noqa: PLR2004
            return self._failure("provider_rate_limited", "is rate limited (HTTP 429)")
        if status == 408:  # noqa: PLR2004
            return self._failure("provider_timeout", "timed out (HTTP 408)")
        if status >= 500:  # noqa: PLR2004
            return self._failure("provider_unavailable", f"is failing (HTTP {status})")
        return self._failure("provider_rejected", f"rejected the request (HTTP {status})")

    def _failure(self, code: str, what: str) -> JobFailure:
        return JobFailure(code, f"provider '{self._provider}' {what}", {"provider": self._provider})
