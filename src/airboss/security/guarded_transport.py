"""HTTP for any client, only to what is allowed: the connection is made to the address that was checked.

A redirect is a request like any other, and is checked as one. Which ports there are to ask for is what browsers
allow; beyond those any may be, since web services listen everywhere.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any

import httpcore2
import httpx2

from airboss.domain.policies import ReachPolicy
from airboss.security.addresses import Address, read_address
from airboss.security.allowlist import Allowlist, read_host
from airboss.security.ports import is_web_port

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
SocketOptions = Iterable[httpcore2.SOCKET_OPTION]

_MAX_PORT = 65535
_MAX_ADDRESSES_TRIED = 4  # who runs a name's DNS must not make us connect to a thousand addresses
_ATTEMPT_SECONDS = 2.0  # for an address while there is another one to try

_TRANSPORT_ERRORS: dict[type[Exception], type[httpx2.TransportError]] = {
    httpcore2.ConnectTimeout: httpx2.ConnectTimeout,
    httpcore2.ReadTimeout: httpx2.ReadTimeout,
    httpcore2.WriteTimeout: httpx2.WriteTimeout,
    httpcore2.PoolTimeout: httpx2.PoolTimeout,
    httpcore2.ConnectError: httpx2.ConnectError,
    httpcore2.ReadError: httpx2.ReadError,
    httpcore2.WriteError: httpx2.WriteError,
    httpcore2.LocalProtocolError: httpx2.LocalProtocolError,
    httpcore2.RemoteProtocolError: httpx2.RemoteProtocolError,
}


class FetchError(httpx2.TransportError):
    """A fetch that did not work, with a message fit to show to whoever gave the URL."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FetchRefusedError(FetchError):
    """A fetch that is not allowed, whatever its outcome would have been."""


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver for a host's addresses, in its order; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def guarded_transport(
    reach: ReachPolicy,
    *,
    resolve: Resolve = system_addresses,
    ssl_context: ssl.SSLContext | None = None,
    network: httpcore2.AsyncNetworkBackend | None = None,
    limits: httpx2.Limits | None = None,
) -> httpx2.AsyncBaseTransport:
    """Return a transport for any httpx2 client that reaches only what the policy allows.

    It raises `FetchError`, a `httpx2.TransportError`. Redirects, times and sizes are the client's affair.
    A proxy given to a client replaces its transport: such a client must have `trust_env=False`.
    Raises ValueError for a bad entry in the list.
    """
    limits = limits or httpx2.Limits(max_connections=100, max_keepalive_connections=20)
    allowed = Allowlist(reach.allowed_domains, reach.addresses)
    pool = httpcore2.AsyncConnectionPool(
        ssl_context=ssl_context or httpx2.create_ssl_context(trust_env=False),
        max_connections=limits.max_connections,
        max_keepalive_connections=limits.max_keepalive_connections,
        keepalive_expiry=limits.keepalive_expiry,
        network_backend=_CheckedNetwork(allowed, resolve, network or httpcore2.AnyIOBackend()),
    )
    return _GuardedTransport(pool, allowed, allow_http=reach.allow_http)


class _GuardedTransport(httpx2.AsyncBaseTransport):
    """Checks where a request goes, and sends it with the host it was checked for."""

    def __init__(self, pool: httpcore2.AsyncConnectionPool, allowed: Allowlist, *, allow_http: bool) -> None:
        self._pool = pool
        self._allowed = allowed
        self._schemes = {"https", "http"} if allow_http else {"https"}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if not isinstance(request.stream, httpx2.AsyncByteStream):
            raise TypeError("an asynchronous transport needs an asynchronous request body")
        url = self._admitted(request.url)
        checked = httpcore2.Request(
            method=request.method,
            url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
            headers=_headers_for(url, request),
            content=request.stream,
            # Others among the extensions would change the target and the name that TLS verifies.
            extensions={"timeout": request.extensions.get("timeout", {})},
        )
        with _as_httpx2():
            answer = await self._pool.handle_async_request(checked)
        return httpx2.Response(
            answer.status,
            headers=answer.headers,
            stream=_AnswerStream(answer),
            extensions={name: answer.extensions[name] for name in ("http_version", "reason_phrase")},
            request=httpx2.Request(request.method, url),
        )

    def _admitted(self, url: httpx2.URL) -> httpx2.URL:
        """Return the URL as it is meant, or raise."""
        if url.scheme not in self._schemes:
            raise FetchRefusedError("scheme_not_allowed", f"only {self._schemes_shown()} may be fetched")
        if url.userinfo:
            raise FetchRefusedError(
                "userinfo_not_allowed", "a URL with a user name or password is not fetched"
            )
        try:
            host = read_host(url.raw_host.decode("ascii"))
        except ValueError as error:
            raise FetchError("invalid_url", f"the host {error}") from error
        if url.port is not None and not 0 < url.port <= _MAX_PORT:
            raise FetchError("invalid_url", "the port is not a number from 1 to 65535")
        if url.port is not None and not is_web_port(url.port):
            raise FetchRefusedError(
                "port_not_allowed", "the port is that of a service which is no web server"
            )
        if not self._allowed.allows_host(host):
            raise FetchRefusedError("host_not_allowed", "the host is not among the allowed ones")
        if not isinstance(host, str) and not self._allowed.allows_address(host):
            raise _not_public()
        return url.copy_with(host=str(host), fragment=None)

    def _schemes_shown(self) -> str:
        return " and ".join(f"{scheme}://" for scheme in sorted(self._schemes))

    async def aclose(self) -> None:
        await self._pool.aclose()


class _CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Resolves a name once, checks all its addresses, and connects to one of those: names can change."""

    def __init__(self, allowed: Allowlist, resolve: Resolve, network: httpcore2.AsyncNetworkBackend) -> None:
        self._allowed = allowed
        self._resolve = resolve
        self._network = network

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is httpcore2's
        local_address: str | None = None,
        socket_options: SocketOptions | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._addresses(host, port)
                return _CheckedStream(
                    await self._first_answering(addresses, port, local_address, socket_options)
                )
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("no connection in time") from error

    async def sleep(self, seconds: float) -> None:
        await self._network.sleep(seconds)

    async def _addresses(self, host: str, port: int) -> list[Address]:
        literal = read_address(host)
        found = [literal] if literal else [read_address(text) for text in await self._resolved(host, port)]
        checked = [address for address in found if address and self._allowed.allows_address(address)]
        # One bad address among good ones is how a name is made to lead inside at the second try.
        if len(checked) < len(found):
            raise _not_public()
        return list(dict.fromkeys(checked))[:_MAX_ADDRESSES_TRIED]

    async def _resolved(self, host: str, port: int) -> Sequence[str]:
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise FetchError("host_not_found", "the host's name has no address") from error
        if not found:
            raise FetchError("host_not_found", "the host's name has no address")
        return found

    async def _first_answering(
        self, addresses: list[Address], port: int, local: str | None, options: SocketOptions | None
    ) -> httpcore2.AsyncNetworkStream:
        for address in addresses[:-1]:
            try:
                return await self._network.connect_tcp(str(address), port, _ATTEMPT_SECONDS, local, options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                continue
        return await self._network.connect_tcp(str(addresses[-1]), port, None, local, options)


class _CheckedStream(httpcore2.AsyncNetworkStream):
    """A connection that is closed when its TLS handshake does not end well, and fails only as documented."""

    def __init__(self, stream: httpcore2.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109
        # A broken TLS record is an OSError that httpcore2 lets through.
        try:
            return await self._stream.read(max_bytes, timeout)
        except OSError as error:
            raise httpcore2.ReadError(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        try:
            await self._stream.write(buffer, timeout)
        except OSError as error:
            raise httpcore2.WriteError(str(error)) from error

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore2.AsyncNetworkStream:
        secured: httpcore2.AsyncNetworkStream | None = None
        try:
            secured = await self._stream.start_tls(ssl_context, server_hostname, timeout)
        except (httpcore2.ConnectError, OSError, ValueError) as error:
            raise _tls_failed(error) from error
        finally:
            # httpcore2 closes on errors, and forgets the socket when it is cancelled.
            if secured is None:
                await self._stream.aclose()
        return _CheckedStream(secured)

    async def aclose(self) -> None:
        await self._stream.aclose()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _AnswerStream(httpx2.AsyncByteStream):
    """A body whose errors are httpx2's."""

    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        with _as_httpx2():
            async with aclosing(self._answer.aiter_stream()) as parts:
                async for part in parts:
                    yield part

    async def aclose(self) -> None:
        await self._answer.aclose()


def _headers_for(url: httpx2.URL, request: httpx2.Request) -> list[tuple[bytes, bytes]]:
    # A host of the caller's own in the header would reach another site of the same server.
    others = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
    return [(b"Host", url.netloc), *others]


@contextmanager
def _as_httpx2() -> Iterator[None]:
    try:
        yield
    except tuple(_TRANSPORT_ERRORS) as error:
        raise _TRANSPORT_ERRORS[type(error)](str(error)) from error


def _not_public() -> FetchRefusedError:
    # Which address it is stays here: names inside a network are not for the caller to look up.
    return FetchRefusedError("address_not_public", "the host does not have a public address")


def _tls_failed(error: Exception) -> FetchError:
    if isinstance(error.__cause__, ssl.SSLCertVerificationError):
        return FetchError("tls_failed", "the server's certificate is not valid for the host")
    return FetchError("tls_failed", "the server does not answer with TLS")
