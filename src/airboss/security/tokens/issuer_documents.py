"""What an issuer publishes about its keys, fetched within bounds of time and size."""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

import httpx2
import jiter

from airboss.domain.policies import JwtPolicy
from airboss.security.tokens.issuer_urls import discovery_url, is_loopback, is_safe

#: For all that one look takes: with discovery that is two requests.
FETCH_SECONDS = 5.0
MAX_DOCUMENT_BYTES = 512 * 1024
_HEADERS = {
    "Accept": "application/json, application/jwk-set+json",
    # A small answer could become a large one.
    "Accept-Encoding": "identity",
}


class IssuerUnavailableError(Exception):
    """The issuer's keys cannot be had now; the text says why, in words of ours."""


class IssuerDocuments:
    """Asks the address of the settings, or the one that the issuer's own configuration names."""

    def __init__(
        self, policy: JwtPolicy, transport: Callable[[], httpx2.AsyncBaseTransport] | None = None
    ) -> None:
        self._issuer = policy.issuer
        self._jwks_url = policy.jwks_url
        self._make_transport = transport or _transport
        self._client: httpx2.AsyncClient | None = None

    async def key_set(self) -> Any:
        """Return the JSON of the issuer's key set; raises `IssuerUnavailableError`."""
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                url = self._jwks_url or await self._discovered()
                return await self._get(url)
        except TimeoutError:
            raise IssuerUnavailableError(f"no answer within {FETCH_SECONDS:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise IssuerUnavailableError(f"no answer ({type(error).__name__})") from None

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _discovered(self) -> str:
        """Return where the issuer says its keys are (OpenID Connect Discovery 1.0, 4)."""
        document = await self._get(discovery_url(self._issuer))
        if not isinstance(document, dict) or document.get("issuer") != self._issuer:
            raise IssuerUnavailableError("its configuration names another issuer than auth.jwt.issuer")
        url = document.get("jwks_uri")
        if not isinstance(url, str) or not is_safe(url, http_on_loopback=is_loopback(self._issuer)):
            raise IssuerUnavailableError("its configuration names no https address of keys (jwks_uri)")
        return url

    async def _get(self, url: str) -> Any:
        client = await self._opened()
        async with client.stream("GET", url, headers=_HEADERS) as answer:
            if answer.status_code != httpx2.codes.OK:
                raise IssuerUnavailableError(f"HTTP {answer.status_code} from {url}")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise IssuerUnavailableError(f"a compressed answer from {url}, which nobody asked for")
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > MAX_DOCUMENT_BYTES:
                    raise IssuerUnavailableError(f"more than {MAX_DOCUMENT_BYTES} bytes from {url}")
        try:
            return jiter.from_json(bytes(body), allow_inf_nan=False, catch_duplicate_keys=True)
        except ValueError:
            raise IssuerUnavailableError(f"no JSON from {url}") from None

    async def _opened(self) -> httpx2.AsyncClient:
        if self._client is None:
            # Reading the system's certificates would hold up the event loop.
            transport = await asyncio.to_thread(self._make_transport)
            self._client = httpx2.AsyncClient(
                transport=transport, timeout=FETCH_SECONDS, trust_env=False, follow_redirects=False
            )
        return self._client


def _transport() -> httpx2.AsyncBaseTransport:
    context: ssl.SSLContext = httpx2.create_ssl_context(trust_env=False)
    return httpx2.AsyncHTTPTransport(verify=context, trust_env=False)
