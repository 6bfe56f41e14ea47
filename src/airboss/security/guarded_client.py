"""HTTP to URLs that a caller can influence: only to what is allowed, whatever a name resolves to.

Any port may be asked for: which hosts are reached is what the list says, and web services listen everywhere.
"""

import asyncio
import re
import socket
import ssl
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any

import httpcore2
import httpx2

from airboss.domain.policies import WebPolicy
from airboss.security.addresses import Address, read_address
from airboss.security.allowlist import Allowlist, read_host

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
SocketOptions = Iterable[httpcore2.SOCKET_OPTION]

MAX_REDIRECTS = 5
MAX_URL_CHARACTERS = 8192

_MAX_PORT = 65535
_MAX_ADDRESSES_TRIED = 4  # who runs a name's DNS must not make us connect to a thousand addresses
_ATTEMPT_SECONDS = 2.0  # for an address while there is another one to try
_CODING_OVERHEAD_BYTES = 1 << 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ACCEPT = "text/html, application/xhtml+xml, application/json, application/xml;q=0.9, text/*;q=0.8"
_TEXT = re.compile(
    r"text/[\w.+-]{1,127}|application/(json|xml)|[\w.-]{1,127}/[\w.+-]{1,127}\+(json|xml)", re.ASCII
)
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([\w.:-]{1,40})', re.ASCII | re.IGNORECASE)
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}

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


@dataclass(frozen=True, slots=True)
class GuardedAnswer:
    """What came back; `url` is where the redirects ended, `media_type` is empty if none was declared."""

    url: str
    status: int
    media_type: str
    charset: str | None
    body: bytes
    truncated: bool


async def system_addresses(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver for a host's addresses, in its order; raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def guarded_transport(
    policy: WebPolicy,
    *,
    resolve: Resolve = system_addresses,
    ssl_context: ssl.SSLContext | None = None,
    network: httpcore2.AsyncNetworkBackend | None = None,
    limits: httpx2.Limits | None = None,
) -> httpx2.AsyncBaseTransport:
    """Return a transport for any httpx2 client that reaches only what the policy's list and schemes allow.

    It raises `FetchError`, a `httpx2.TransportError`. Redirects, times and sizes are the client's affair.
    A proxy given to a client replaces its transport: such a client must have `trust_env=False`.
    Raises ValueError for a bad entry in the list.
    """
    limits = limits or httpx2.Limits(max_connections=100, max_keepalive_connections=20)
    allowed = Allowlist(policy.allowed_domains)
    pool = httpcore2.AsyncConnectionPool(
        ssl_context=ssl_context or httpx2.create_ssl_context(trust_env=False),
        max_connections=limits.max_connections,
        max_keepalive_connections=limits.max_keepalive_connections,
        keepalive_expiry=limits.keepalive_expiry,
        network_backend=_CheckedNetwork(allowed, resolve, network or httpcore2.AnyIOBackend()),
    )
    return _GuardedTransport(pool, allowed, allow_http=policy.allow_http)


class GuardedClient:
    """GETs text from URLs that anyone may have written: no cookies, no credentials, no proxy, nothing kept."""

    def __init__(
        self,
        policy: WebPolicy,
        *,
        user_agent: str,
        resolve: Resolve = system_addresses,
        ssl_context: ssl.SSLContext | None = None,
        network: httpcore2.AsyncNetworkBackend | None = None,
    ) -> None:
        """Take a policy; raises ValueError for a bad entry in its list."""
        self._policy = policy
        self._headers = {
            "Host": "",  # the transport's to set; to set it itself, httpx2 would decode a name not yet checked
            "User-Agent": user_agent,
            "Accept": _ACCEPT,
            "Accept-Encoding": "identity",  # some servers compress all the same, which is undone
        }
        self._transport = guarded_transport(
            policy,
            resolve=resolve,
            ssl_context=ssl_context,
            network=network,
            limits=httpx2.Limits(max_connections=100, max_keepalive_connections=0),
        )

    async def get(self, url: str) -> GuardedAnswer:
        """Follow a URL to its answer, of any status; raises `FetchError`."""
        seconds = self._policy.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                return await self._follow(_read_url(url))
        except TimeoutError:
            raise FetchError("timed_out", f"the page did not arrive within {seconds:g} s") from None
        except FetchError:
            raise
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            raise FetchError("connect_failed", "no connection to the server could be made") from error
        except httpx2.TransportError as error:
            raise FetchError("fetch_failed", "the server broke off, or does not speak HTTP") from error

    async def aclose(self) -> None:
        """Close the connections that are left."""
        await self._transport.aclose()

    async def _follow(self, url: httpx2.URL) -> GuardedAnswer:
        for hop in range(MAX_REDIRECTS + 1):
            response = await self._ask(url, hop)
            try:
                location = response.headers.get("location") if response.status_code in _REDIRECTS else None
                if location is None:
                    return await _answer(response, self._policy.max_bytes)
                url = _joined(response.request.url, location)
            finally:
                await response.aclose()
        raise FetchError("too_many_redirects", f"the page redirects more than {MAX_REDIRECTS} times")

    async def _ask(self, url: httpx2.URL, hop: int) -> httpx2.Response:
        request = httpx2.Request("GET", url, headers=self._headers)
        try:
            return await self._transport.handle_async_request(request)
        except FetchError as error:
            if not hop:
                raise
            # Where a page redirects to is its own knowledge: the message says no more than that.
            raise type(error)(error.code, f"the page redirects, and there {error}") from error


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


class _BoundedBody:
    """Takes a body in up to a limit, counted on the wire and after its coding is undone.

    Of gzip with more than one member the first is read, as httpx2 does.
    """

    def __init__(self, coding: str, max_bytes: int) -> None:
        """Prepare for a coding; raises `FetchError` for one that is not known."""
        if coding not in {"", "identity", *_WINDOW_BITS}:
            raise FetchError("fetch_failed", "the page is compressed in a way that was not asked for")
        self._inflater = zlib.decompressobj(_WINDOW_BITS[coding]) if coding in _WINDOW_BITS else None
        self._max_bytes = max_bytes
        self._wire_bytes = 0
        self._content = bytearray()

    def take(self, part: bytes) -> None:
        # One byte more than is wanted tells a body that is cut from one that just fits.
        room = self._max_bytes + 1 - len(self._content)
        self._wire_bytes += len(part)
        if self._inflater is None:
            self._content += part[:room]
            return
        try:
            self._content += self._inflater.decompress(part, room)
        except zlib.error as error:
            raise _badly_compressed() from error

    @property
    def is_ended(self) -> bool:
        if self._inflater is not None and self._inflater.eof:
            return True
        return self._is_cut

    @property
    def _is_cut(self) -> bool:
        # Compressed nothing can go on for ever without a byte of content.
        wire_limit = self._max_bytes + _CODING_OVERHEAD_BYTES
        return len(self._content) > self._max_bytes or self._wire_bytes > wire_limit

    def result(self) -> tuple[bytes, bool]:
        """Return the content, and whether there was more."""
        is_cut = self._is_cut
        if self._inflater is not None and self._wire_bytes and not self._inflater.eof and not is_cut:
            raise _badly_compressed()
        return bytes(self._content[: self._max_bytes]), is_cut


def _read_url(text: str) -> httpx2.URL:
    # Parsers disagree about these, and whoever shows the URL to someone reads it in yet another way.
    if any(char.isspace() or not char.isprintable() or char == "\\" for char in text):
        raise FetchError("invalid_url", "the URL has white space, a backslash or an invisible character")
    if len(text) > MAX_URL_CHARACTERS:
        raise FetchError("invalid_url", f"the URL is longer than {MAX_URL_CHARACTERS} characters")
    try:
        return httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise FetchError("invalid_url", "the URL is not valid") from error


def _joined(url: httpx2.URL, location: str) -> httpx2.URL:
    try:
        target = _read_url(location)
        # Joining would make a place on this host of `http:///elsewhere`.
        return target if target.scheme else url.join(target)
    except (FetchError, httpx2.InvalidURL, ValueError) as error:
        raise FetchError("fetch_failed", "the page redirects to something that is not a URL") from error


def _headers_for(url: httpx2.URL, request: httpx2.Request) -> list[tuple[bytes, bytes]]:
    # A host of the caller's own in the header would reach another site of the same server.
    others = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
    return [(b"Host", url.netloc), *others]


async def _answer(response: httpx2.Response, max_bytes: int) -> GuardedAnswer:
    declared = response.headers.get("content-type", "")
    media_type = declared.partition(";")[0].strip().lower()
    if media_type and not _TEXT.fullmatch(media_type):
        raise _not_text(response)
    content = _BoundedBody(response.headers.get("content-encoding", "").strip().lower(), max_bytes)
    async with aclosing(response.aiter_raw()) as parts:
        async for part in parts:
            content.take(part)
            if content.is_ended:
                break
    body, truncated = content.result()
    if body and not media_type:
        raise _not_text(response)
    charset = _CHARSET.search(declared)
    return GuardedAnswer(
        url=str(response.request.url),
        status=response.status_code,
        media_type=media_type,
        charset=charset[1].lower() if charset else None,
        body=body,
        truncated=truncated,
    )


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


def _not_text(response: httpx2.Response) -> FetchError:
    told = response.headers.get("content-type", "of an unknown type").partition(";")[0][:80]
    message = f"the answer (status {response.status_code}) is {told}: only text, JSON and XML are read"
    return FetchError("not_text", message)


def _badly_compressed() -> FetchError:
    return FetchError("fetch_failed", "the page's compressed content is damaged")
