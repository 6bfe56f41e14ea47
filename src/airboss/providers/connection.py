"""How a provider is reached: one pool of connections, opened at first use."""

from collections.abc import Callable

import httpx2

from airboss.domain.errors import JobFailure
from airboss.domain.providers import ProviderKind, ProviderSpec
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.providers.anthropic_native.choice import MESSAGES, wire_of
from airboss.providers.checked_transport import CheckedTransport
from airboss.security.secrets import SecretUnavailable

#: Resolves the text of a reference to its value; raises `SecretUnavailable`.
ReadSecret = Callable[[str], str]

_BASE_URLS = {
    ProviderKind.OPENAI: "https://api.openai.com/v1",
    ProviderKind.ANTHROPIC: "https://api.anthropic.com/v1",
    ProviderKind.OLLAMA: "http://127.0.0.1:11434/v1",
}
#: Ollama and most self-hosted servers want no key, the client library wants one.
NO_KEY = "none"


class ProviderConnection:
    """The HTTP side of a provider. Redirects are off, proxies of the environment are not taken."""

    def __init__(self, spec: ProviderSpec, read_secret: ReadSecret, clock: Clock, log: Log) -> None:
        self.spec = spec
        self._read_secret = read_secret
        self._clock = clock
        self._log = log
        self._transport: httpx2.AsyncHTTPTransport | None = None
        self._streams: httpx2.AsyncClient | None = None
        #: The API that is spoken, as `/v1/providers` calls it.
        self.wire = wire_of(spec)
        if spec.kind is ProviderKind.ANTHROPIC:
            log.info("provider.wire", provider=spec.name, wire=self.wire)

    @property
    def base_url(self) -> str:
        base_url = (self.spec.base_url or _BASE_URLS.get(self.spec.kind, "")).rstrip("/")
        # Addresses of the Messages API are usually given without the version, those of OpenAI's with it.
        return f"{base_url.removesuffix('/v1')}/v1" if self.wire == MESSAGES else base_url

    def api_key(self) -> str:
        """Read the key, at each use, so that it can be rotated; raises `JobFailure`."""
        if self.spec.api_key is None:
            return NO_KEY
        try:
            key = self._read_secret(self.spec.api_key)
        except SecretUnavailable as error:
            raise self._no_usable_key(str(error)) from None
        if not (key.isascii() and key.isprintable()):
            # The client libraries' own error would quote it.
            raise self._no_usable_key("it has characters that no header can hold")
        return key

    def _no_usable_key(self, reason: str) -> JobFailure:
        return JobFailure("provider_auth", f"provider '{self.spec.name}' has no usable key: {reason}")

    def streams(self) -> httpx2.AsyncClient:
        """Return the client for model calls, whose answers are checked."""
        if self._streams is None:
            checked = CheckedTransport(self._open_transport(), self._clock, self._log)
            self._streams = httpx2.AsyncClient(
                transport=checked,
                # An answer that is compressed cannot be checked as it comes.
                headers={"Accept-Encoding": "identity"},
                # The call path has the deadlines; a read has none of its own.
                timeout=httpx2.Timeout(None, connect=self.spec.timeouts.connect_seconds),
                follow_redirects=False,
                trust_env=False,
            )
        return self._streams

    def documents(self, timeout_seconds: float) -> httpx2.AsyncClient:
        """Return a client for plain answers over the same connections; it need not be closed."""
        return httpx2.AsyncClient(
            transport=self._open_transport(),
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=False,
        )

    async def close(self) -> None:
        transport, self._transport, self._streams = self._transport, None, None
        if transport is not None:
            await transport.aclose()

    def _open_transport(self) -> httpx2.AsyncHTTPTransport:
        if self._transport is None:
            calls = self.spec.limits.max_concurrent_calls
            self._transport = httpx2.AsyncHTTPTransport(
                # On plain HTTP there is nothing to verify, and reading the system's certificates takes 30 ms.
                verify=not self.base_url.lower().startswith("http://"),
                limits=httpx2.Limits(max_connections=calls + 2, max_keepalive_connections=calls),
                trust_env=False,
            )
        return self._transport
