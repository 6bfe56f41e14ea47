"""GETs of URLs that a caller can influence: bounded in time, size and redirects, and only to what is allowed."""

import asyncio
import re
import ssl
import zlib
from contextlib import aclosing
from dataclasses import dataclass

import httpcore2
import httpx2

from airboss.domain.policies import ReachPolicy, WebPolicy
from airboss.security.guarded_transport import (
    FetchError,
    FetchRefusedError,
    Resolve,
    guarded_transport,
    system_addresses,
)

MAX_REDIRECTS = 5
MAX_URL_CHARACTERS = 8192

_CODING_OVERHEAD_BYTES = 1 << 16
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ACCEPT = "text/html, application/xhtml+xml, application/json, application/xml;q=0.9, text/*;q=0.8"
_TEXT = re.compile(
    r"text/[\w.+-]{1,127}|application/(json|xml)|[\w.-]{1,127}/[\w.+-]{1,127}\+(json|xml)", re.ASCII
)
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([\w.:-]{1,40})', re.ASCII | re.IGNORECASE)
_AUTHORITY = re.compile(r"(?:[^:/?#]+:)?//([^/?#]*)")
_PORT = re.compile(r"[0-9]{0,10}")
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


@dataclass(frozen=True, slots=True)
class GuardedAnswer:
    """What came back; `url` is where the redirects ended, `media_type` is empty if none was declared."""

    url: str
    status: int
    media_type: str
    charset: str | None
    body: bytes
    truncated: bool


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
            ReachPolicy(policy.allowed_domains, policy.allow_http),
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
    if not _has_plain_port(text):
        raise FetchError("invalid_url", "the port is not a number from 1 to 65535")
    try:
        return httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise FetchError("invalid_url", "the URL is not valid") from error


def _has_plain_port(text: str) -> bool:
    # The parser reads a port as Python reads a number: with a sign, or in digits of any script.
    authority = _AUTHORITY.match(text)
    if authority is None:
        return True
    port = authority[1].rpartition("@")[2].rpartition("]")[2].partition(":")[2]
    return _PORT.fullmatch(port) is not None


def _joined(url: httpx2.URL, location: str) -> httpx2.URL:
    try:
        target = _read_url(location)
        # Joining would make a place on this host of `http:///elsewhere`.
        joined = target if target.scheme else url.join(target)
    except (FetchError, httpx2.InvalidURL, ValueError) as error:
        raise FetchError("fetch_failed", "the page redirects to something that is not a URL") from error
    if (url.scheme, joined.scheme) == ("https", "http"):
        # Whoever asked for https would take what anyone on the way can write for the page's own.
        raise FetchRefusedError("scheme_not_allowed", "the page redirects from https:// to http://")
    return joined


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


def _not_text(response: httpx2.Response) -> FetchError:
    told = response.headers.get("content-type", "of an unknown type").partition(";")[0][:80]
    message = f"the answer (status {response.status_code}) is {told}: only text, JSON and XML are read"
    return FetchError("not_text", message)


def _badly_compressed() -> FetchError:
    return FetchError("fetch_failed", "the page's compressed content is damaged")
