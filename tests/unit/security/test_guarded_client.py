"""No URL, name, redirect or answer gets the client to an address that is not allowed, or past its limits."""

import asyncio
import datetime as dt
import gzip
import ipaddress
import socket
import ssl
import struct
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpcore2
import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airboss.domain.policies import ReachPolicy, WebPolicy
from airboss.security.addresses import is_public, read_address
from airboss.security.guarded_client import MAX_REDIRECTS, GuardedAnswer, GuardedClient
from airboss.security.guarded_transport import FetchError, FetchRefusedError, guarded_transport

LOOPBACK = "127.0.0.1"
PUBLIC = "93.184.215.14"
OTHER_PUBLIC = "2606:4700::1111"
WAIT_SECONDS = 10.0
MAX_BYTES = 1000
NO_TRUST = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def page(
    body: bytes = b"hello", *headers: str, status: str = "200 OK", media_type: str = "text/plain"
) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    if media_type:
        lines.append(f"Content-Type: {media_type}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def redirect(location: str, status: str = "302 Found") -> bytes:
    return page(b"moved", f"Location: {location}", status=status)


class Peer:
    """A server that answers each target with bytes, or behaves as a function says."""

    def __init__(self, pages: dict[str, bytes | Behaviour] | None = None) -> None:
        self.pages = pages or {}
        self.port = 0
        self.connects = 0
        self.requests: list[str] = []
        self.asked = asyncio.Event()
        self.gone = asyncio.Event()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @asynccontextmanager
    async def serving(self, context: ssl.SSLContext | None = None) -> AsyncIterator["Peer"]:
        server = await asyncio.start_server(self._serve, LOOPBACK, self.port, ssl=context)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connects += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            self.requests.append(head)
            self.asked.set()
            answer = self.pages.get(head.split(" ")[1], page())
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            self.gone.set()


class Network(httpcore2.AsyncNetworkBackend):
    """Counts connects; those to a public address arrive at loopback."""

    def __init__(self, *, dead: Sequence[str] = ()) -> None:
        self.connects: list[tuple[str, int]] = []
        self._dead = dead
        self._real = httpcore2.AnyIOBackend()

    async def connect_tcp(self, host: str, port: int, *rest: Any, **options: Any) -> Any:
        self.connects.append((host, port))
        if host in self._dead:
            raise httpcore2.ConnectError("refused")
        return await self._real.connect_tcp(LOOPBACK, port, *rest, **options)


class Names:
    """A resolver that answers from a table, each name's answers in turn, the last one for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self._answers = answers
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        answers = self._answers.get(host.partition(".")[0])
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return answers.pop(0) if len(answers) > 1 else answers[0]


def policy(
    *allowed: str, allow_http: bool = True, timeout_seconds: float = WAIT_SECONDS, max_bytes: int = MAX_BYTES
) -> WebPolicy:
    return WebPolicy(allowed, allow_http, timeout_seconds, max_bytes)


async def fetch(url: str, what: WebPolicy | None = None, **options: Any) -> GuardedAnswer:
    # Reading the system's certificates takes longer than most of these tests.
    options = {"ssl_context": NO_TRUST, **options}
    client = GuardedClient(what or policy(LOOPBACK), user_agent="airboss/0.0", **options)
    try:
        return await client.get(url)
    finally:
        await client.aclose()


async def refusal(url: str, what: WebPolicy | None = None, **options: Any) -> FetchError:
    with pytest.raises(FetchError) as caught:
        await fetch(url, what, **options)
    return caught.value


async def happened(event: asyncio.Event) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        await event.wait()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    async with Peer().serving() as serving:
        yield serving


# What is refused before anything is connected.

HOSTILE = [
    # code, URL; PORT is where a server listens on loopback
    ("address_not_public", "http://127.0.0.1:PORT/"),
    ("address_not_public", "http://127.0.0.1.:PORT/"),
    ("address_not_public", "http://127.8.8.8:PORT/"),
    ("address_not_public", "http://0.0.0.0:PORT/"),
    ("address_not_public", "http://10.0.0.1:PORT/"),
    ("address_not_public", "http://100.100.100.200/latest/meta-data/"),
    ("address_not_public", "http://168.63.129.16/machine?comp=goalstate"),
    ("address_not_public", "http://169.254.169.254/latest/meta-data/"),
    ("address_not_public", "http://172.20.0.1/"),
    ("address_not_public", "http://192.168.1.1/"),
    ("address_not_public", "http://224.0.0.1/"),
    ("address_not_public", "http://255.255.255.255/"),
    ("address_not_public", "http://[::1]:PORT/"),
    ("address_not_public", "http://[0:0:0:0:0:0:0:1]:PORT/"),
    ("address_not_public", "http://[::]:PORT/"),
    ("address_not_public", "http://[::127.0.0.1]:PORT/"),
    ("address_not_public", "http://[::ffff:127.0.0.1]:PORT/"),
    ("address_not_public", "http://[::FFFF:7F00:1]:PORT/"),
    ("address_not_public", "http://[::ffff:0:127.0.0.1]:PORT/"),
    ("address_not_public", "http://[::ffff:169.254.169.254]/"),
    ("address_not_public", "http://[64:ff9b::127.0.0.1]:PORT/"),
    ("address_not_public", "http://[64:ff9b:1::7f00:1]:PORT/"),
    ("address_not_public", "http://[2002:7f00:1::]:PORT/"),
    ("address_not_public", "http://[2001:0:4136:e378:8000:63bf:80ff:fffe]:PORT/"),
    ("address_not_public", "http://[fd00:ec2::254]/"),
    ("address_not_public", "http://[fe80::1]:PORT/"),
    ("address_not_public", "http://[ff02::1]:PORT/"),
    ("address_not_public", "http://127\u30020\u30020\u30021:PORT/"),
    ("address_not_public", "http://localhost:PORT/"),
    ("address_not_public", "http://LOCALHOST.:PORT/"),
    ("address_not_public", "http://private.test:PORT/"),
    ("address_not_public", "http://mixed.test:PORT/"),
    ("address_not_public", "http://mapped.test:PORT/"),
    ("address_not_public", "http://zoned.test:PORT/"),
    ("address_not_public", "http://odd.test:PORT/"),
    ("host_not_found", "http://nowhere.test:PORT/"),
    ("host_not_found", "http://empty.test:PORT/"),
    ("address_not_public", "http://169.254.170.2/v2/credentials"),
    ("address_not_public", "http://192.0.0.192/latest/"),
    ("address_not_public", "http://100.64.0.1:PORT/"),
    ("address_not_public", "http://198.18.0.1/"),
    ("address_not_public", "http://239.255.255.250/"),
    ("address_not_public", "http://127.0.0.1.:PORT/x"),
    ("address_not_public", "http://[::ffff:0a00:0001]/"),
    ("address_not_public", "http://[0000:0000:0000:0000:0000:ffff:7f00:0001]:PORT/"),
    ("address_not_public", "http://[64:ff9b::a9fe:a9fe]/latest/"),
    ("address_not_public", "http://[2002:a9fe:a9fe::]/"),
    ("address_not_public", "http://[fd20:ce::254]/"),
    ("address_not_public", "http://[ff02::fb]:PORT/"),
    ("address_not_public", "http://[fec0::1]/"),
    ("address_not_public", "http://[100::1]/"),
    ("address_not_public", "http://[2001:db8::1]/"),
    ("address_not_public", "http://[3fff::1]/"),
    ("address_not_public", "http://[5f00::1]/"),
    ("address_not_public", "http://[4000::1]/"),
    ("port_not_allowed", "http://public.test:22/"),
    ("port_not_allowed", "http://public.test:25/"),
    ("port_not_allowed", "http://public.test:6667/"),
    ("port_not_allowed", "http://public.test:2049/"),
    ("port_not_allowed", "http://127.0.0.1:25/"),
    ("invalid_url", "http://0x7f.1:PORT/"),
    ("invalid_url", "http://0X7F000001:PORT/"),
    ("invalid_url", "http://00000000177.0.0.1:PORT/"),
    ("invalid_url", "http://4294967296:PORT/"),
    ("invalid_url", "http://18446744071562067969:PORT/"),
    ("invalid_url", "http://1.0x1:PORT/"),
    ("invalid_url", "http://\u0661\u0662\u0667.0.0.1:PORT/"),
    ("address_not_public", "http://127.0.0\uff0e1:PORT/"),
    ("address_not_public", "http://127\uff610.0.1:PORT/"),
    ("invalid_url", "http://[::ffff:127.1]:PORT/"),
    ("invalid_url", "http://[::1%25]:PORT/"),
    ("invalid_url", "http://[fe80::1%eth0]:PORT/"),
    ("invalid_url", "http://[::1]x:PORT/"),
    ("invalid_url", "http://x[::1]:PORT/"),
    ("invalid_url", "http://localhost%00.public.test:PORT/"),
    ("invalid_url", "http://localhost%09:PORT/"),
    ("invalid_url", "http://local host:PORT/"),
    ("invalid_url", "http://public.test:PORT:80/"),
    ("invalid_url", "http://public.test:+80/"),
    ("invalid_url", "http://public.test:8e1/"),
    ("invalid_url", "http://public.test:\uff18\uff10/"),
    ("invalid_url", "http://public.test\t/"),
    ("invalid_url", "http://public.test/\x0b"),
    ("invalid_url", "http://public.test/\ue000\x00"),
    ("invalid_url", "http://public.test\u2028.private.test/"),
    ("invalid_url", "http://\u202etset.cilbup/"),
    ("userinfo_not_allowed", "http://public.test%2f@127.0.0.1:PORT/"),
    ("userinfo_not_allowed", "http://public.test%00@127.0.0.1:PORT/"),
    ("userinfo_not_allowed", "http://[::1]@127.0.0.1:PORT/"),
    ("scheme_not_allowed", "http2://127.0.0.1:PORT/"),
    ("scheme_not_allowed", "dict://127.0.0.1:PORT/info"),
    ("scheme_not_allowed", "ldap://127.0.0.1:PORT/"),
    ("scheme_not_allowed", "jar:http://127.0.0.1:PORT!/x"),
    ("scheme_not_allowed", "netdoc:///etc/passwd"),
    ("scheme_not_allowed", "\uff48ttp://127.0.0.1:PORT/"),
    ("invalid_url", "http://2130706433:PORT/"),
    ("invalid_url", "http://017700000001:PORT/"),
    ("invalid_url", "http://0x7f000001:PORT/"),
    ("invalid_url", "http://0x7f.0x0.0x0.0x1:PORT/"),
    ("invalid_url", "http://0177.0.0.1:PORT/"),
    ("invalid_url", "http://127.1:PORT/"),
    ("invalid_url", "http://127.0.1:PORT/"),
    ("invalid_url", "http://127.0.0.1.0:PORT/"),
    ("invalid_url", "http://127.0.0.0x1:PORT/"),
    ("invalid_url", "http://127.0.0.01:PORT/"),
    ("invalid_url", "http://0:PORT/"),
    ("invalid_url", "http://1.1.1.256/"),
    ("invalid_url", "http://\uff11\uff12\uff17.0.0.1:PORT/"),
    ("invalid_url", "http://\u2460\u2461\u2466.0.0.1:PORT/"),
    ("invalid_url", "http://%31%32%37.0.0.1:PORT/"),
    ("invalid_url", "http://127.0.0.1%2f.public.test:PORT/"),
    ("invalid_url", "http://public.test%00.private.test:PORT/"),
    ("invalid_url", "http://public%2Etest:PORT/"),
    ("invalid_url", "http://[fe80::1%25lo]:PORT/"),
    ("invalid_url", "http://[::1%lo]:PORT/"),
    ("invalid_url", "http://[::1:PORT/"),
    ("invalid_url", "http://[::1]]:PORT/"),
    ("invalid_url", "http://[127.0.0.1]:PORT/"),
    ("invalid_url", "http://[v1.127.0.0.1]:PORT/"),
    ("invalid_url", "http://::1:PORT/"),
    ("invalid_url", "http://[::1].public.test:PORT/"),
    ("invalid_url", "http:///127.0.0.1:PORT/"),
    ("invalid_url", "http:127.0.0.1:PORT/"),
    ("invalid_url", "http:/127.0.0.1:PORT/"),
    ("invalid_url", "http://"),
    ("invalid_url", "http://:PORT/"),
    ("invalid_url", "http://./"),
    ("invalid_url", "http://../"),
    ("invalid_url", "http://public..test/"),
    ("invalid_url", "http://.public.test/"),
    ("invalid_url", "http://-public.test/"),
    ("invalid_url", "http://*.test/"),
    ("invalid_url", "http://public.test;private.test:PORT/"),
    ("invalid_url", "http://public.test,127.0.0.1:PORT/"),
    ("invalid_url", "http://pub$lic.test/"),
    ("invalid_url", "http://xn--/"),
    ("host_not_found", "http://xn--a/"),
    ("invalid_url", "http://public.xn--test-/"),
    ("host_not_found", "http://xn--zzzzzz.test/"),
    ("invalid_url", "http://[xn--http"),
    ("invalid_url", "http://" + "a" * 64 + ".test/"),
    ("invalid_url", "http://" + "a." * 130 + "test/"),
    ("invalid_url", "http://public.test/" + "a" * 9000),
    ("invalid_url", "http://public.test:0/"),
    ("invalid_url", "http://public.test:65536/"),
    ("invalid_url", "http://public.test:-1/"),
    ("invalid_url", "http://public.test:80:PORT/"),
    ("invalid_url", "http://public.test:http/"),
    ("invalid_url", "http://public.test\\@127.0.0.1:PORT/"),
    ("invalid_url", "http://127.0.0.1:PORT\\@public.test/"),
    ("invalid_url", "http:\\\\127.0.0.1:PORT\\"),
    ("invalid_url", " http://127.0.0.1:PORT/"),
    ("invalid_url", "http://127.0.0.1 :PORT/"),
    ("invalid_url", "http://127.0.0.1\t:PORT/"),
    ("invalid_url", "http://public.test/\r\nHost: 127.0.0.1"),
    ("invalid_url", "http://public.test/\x00"),
    ("invalid_url", "http://public.test/\x7f"),
    ("invalid_url", "http://public.test/\u2028"),
    ("invalid_url", "http://public\u00a0.test/"),
    ("invalid_url", "http://pub\u00adlic.test/"),
    ("invalid_url", "http://pub\u200dlic.test/"),
    ("invalid_url", "http://public\u202e.test/"),
    ("invalid_url", "http://\ud800.test/"),
    ("invalid_url", "http://public.test/\udfff"),
    ("userinfo_not_allowed", "http://user@127.0.0.1:PORT/"),
    ("userinfo_not_allowed", "http://public.test@127.0.0.1:PORT/"),
    ("userinfo_not_allowed", "http://public.test:80@127.0.0.1:PORT/"),
    ("userinfo_not_allowed", "http://127.0.0.1:PORT@public.test/"),
    ("userinfo_not_allowed", "http://:@127.0.0.1:PORT/"),
    ("userinfo_not_allowed", "http://a@b@127.0.0.1:PORT/"),
    ("userinfo_not_allowed", "http://public.test%40@127.0.0.1:PORT/"),
    ("scheme_not_allowed", ""),
    ("scheme_not_allowed", "127.0.0.1:PORT"),
    ("scheme_not_allowed", "//127.0.0.1:PORT/"),
    ("scheme_not_allowed", "/etc/passwd"),
    ("scheme_not_allowed", "file:///etc/passwd"),
    ("scheme_not_allowed", "ftp://127.0.0.1:PORT/"),
    ("scheme_not_allowed", "gopher://127.0.0.1:PORT/_x"),
    ("scheme_not_allowed", "ws://127.0.0.1:PORT/"),
    ("scheme_not_allowed", "wss://public.test/"),
    ("scheme_not_allowed", "unix:/run/docker.sock"),
    ("scheme_not_allowed", "http+unix://%2Frun%2Fdocker.sock/"),
    ("scheme_not_allowed", "data:text/plain,hello"),
    ("scheme_not_allowed", "javascript:alert(1)"),
    ("scheme_not_allowed", "view-source:http://127.0.0.1:PORT/"),
]
# Without the relative ones, which stay on their host, and those that no header can carry.
HOSTILE_LOCATIONS = [
    (code, url)
    for code, url in HOSTILE
    if url.isprintable() and url == url.strip() and ":" in url.partition("/")[0] and url[0] not in "1\uff48"
]
UNUSUAL_BUT_WELL_MEANT = {
    "http://PUBLIC.test:PORT/": "public.test",
    "http://public.test.:PORT/": "public.test",
    "http://public\u3002test:PORT/": "public.test",
    "http://@public.test:PORT/": "public.test",
    "HTTP://public.test:PORT/": "public.test",
    "http://public.test:0PORT/": "public.test",
    "http://public.test:PORT#@127.0.0.1/": "public.test",
    "http://public.test:PORT?@127.0.0.1/": "public.test",
    "http://public.test:PORT/@127.0.0.1": "public.test",
    "http://b\u00fccher.test:PORT/": "xn--bcher-kva.test",
    "http://\u212aelvin.test:PORT/": "kelvin.test",
    f"http://{PUBLIC}:PORT/": PUBLIC,
    f"http://[::ffff:{PUBLIC}]:PORT/": PUBLIC,
    f"http://[{OTHER_PUBLIC}]:PORT/": f"[{OTHER_PUBLIC}]",
}


class LenientNames(Names):
    """Knows names, and reads every number as an address, as the C library does."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        try:
            return await super().__call__(host, port)
        except socket.gaierror:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
            return [str(entry[4][0]) for entry in found]


def some_names() -> LenientNames:
    return LenientNames(
        public=[[PUBLIC]],
        kelvin=[[PUBLIC]],
        **{"xn--bcher-kva": [[PUBLIC]]},
        localhost=[[LOOPBACK, "::1"]],
        private=[["10.0.0.5"]],
        mixed=[[PUBLIC, "10.0.0.5"]],
        mapped=[["::ffff:10.0.0.5"]],
        zoned=[["fe80::1%lo"]],
        odd=[["not an address"]],
        empty=[[]],
    )


def test_the_table_is_long_enough() -> None:
    assert len(HOSTILE) == len(set(HOSTILE)) >= 170


@pytest.mark.parametrize(("code", "url"), HOSTILE, ids=lambda value: ascii(value)[:60])
async def test_a_hostile_url_connects_to_nothing(peer: Peer, code: str, url: str) -> None:
    network = Network()
    error = await refusal(
        url.replace("PORT", str(peer.port)), policy("*"), network=network, resolve=some_names()
    )
    assert error.code == code
    assert network.connects == []
    assert peer.connects == 0
    assert isinstance(error, FetchRefusedError) == (code not in {"invalid_url", "host_not_found"})
    assert "10.0.0.5" not in str(error)


@pytest.mark.parametrize(("code", "url"), HOSTILE_LOCATIONS, ids=lambda value: ascii(value)[:60])
async def test_a_redirect_to_a_hostile_url_connects_to_nothing_more(peer: Peer, code: str, url: str) -> None:
    hostile = url.replace("PORT", str(peer.port))
    peer.pages["/"] = b"HTTP/1.1 302 Found\r\nLocation: %b\r\n\r\n" % hostile.encode("utf-8")
    network = Network()
    error = await refusal(
        f"http://public.test:{peer.port}/", policy("*"), network=network, resolve=some_names()
    )
    assert error.code in {code, "fetch_failed"}
    assert network.connects == [(PUBLIC, peer.port)]
    assert peer.connects == 1


@pytest.mark.parametrize(("url", "host"), UNUSUAL_BUT_WELL_MEANT.items(), ids=ascii)
async def test_an_unusual_spelling_reaches_what_it_means(peer: Peer, url: str, host: str) -> None:
    network = Network()
    answer = await fetch(
        url.replace("PORT", str(peer.port)), policy("*"), network=network, resolve=some_names()
    )
    assert answer.status == 200
    assert network.connects == [(host.strip("[]") if host[0] in "[9" else PUBLIC, peer.port)]
    assert f"\r\nhost: {host}:{peer.port}\r\n" in peer.requests[0].lower()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:PORT/",
        "http://localhost:PORT/",
        "http://public.test:PORT/",
        "http://example.org:PORT/",
        "http://notexample.org:PORT/",
        "http://www.example.com:PORT/",
        "http://example.com.public.test:PORT/",
        f"http://{PUBLIC}:PORT/",
    ],
)
async def test_a_host_that_is_not_listed_is_not_even_looked_up(peer: Peer, url: str) -> None:
    network, names = Network(), some_names()
    listed = policy("example.com", "*.example.org", "127.0.0.2")
    for what in (listed, policy()):
        error = await refusal(url.replace("PORT", str(peer.port)), what, network=network, resolve=names)
        assert isinstance(error, FetchRefusedError)
        assert error.code == "host_not_allowed"
    assert (network.connects, names.asked, peer.connects) == ([], [], 0)


async def test_localhost_is_refused_with_the_systems_own_resolver(peer: Peer) -> None:
    network = Network()
    error = await refusal(f"http://localhost:{peer.port}/", policy("*"), network=network)
    assert (error.code, network.connects, peer.connects) == ("address_not_public", [], 0)


async def test_http_is_refused_unless_allowed(peer: Peer) -> None:
    error = await refusal(f"{peer.url}/", policy(LOOPBACK, allow_http=False))
    assert isinstance(error, FetchRefusedError)
    assert (error.code, peer.connects) == ("scheme_not_allowed", 0)


URLISH = st.lists(
    st.sampled_from(
        [
            *(
                "http",
                "https",
                ":",
                "/",
                "//",
                "\\",
                "@",
                "#",
                "?",
                "[",
                "]",
                ".",
                "%",
                "%2e",
                "%31",
                "_",
                "-",
            ),
            *("127.0.0.1", "::1", "::ffff:", "0x7f", "0177", "1", "0", "256", "public.test", "private.test"),
            *("localhost", "xn--", "\u3002", "\uff11", "\u00df", "\u0131", "\ud800", " ", "\t", "\n", "\x00"),
        ]
    ),
    max_size=12,
).map("".join)


@settings(max_examples=300, deadline=None)
@given(
    url=st.one_of(URLISH, URLISH.map("http://".__add__), st.text().map("http://".__add__)),
    answers=st.lists(st.ip_addresses().map(str), max_size=3),
)
@example(url="http://public.test/", answers=["::ffff:127.0.0.1"])
@example(url="http://[xn--http", answers=[])
@example(url="file://xn--_/", answers=[])
def test_whatever_is_asked_only_public_addresses_are_connected(url: str, answers: list[str]) -> None:
    network = Network(dead=_Everything())

    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers

    error = asyncio.run(refusal(url, policy("*"), network=network, resolve=resolve))
    assert error.code
    for host, _ in network.connects:
        address = read_address(host)
        assert address is not None
        assert is_public(address)


class _Everything(list[str]):
    def __contains__(self, item: object) -> bool:
        return True


# Names are looked up once, and connections go to what was checked.


async def test_a_name_is_resolved_once_and_the_connection_goes_to_the_checked_address(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, network = Names(rebinding=[[PUBLIC], [LOOPBACK]]), Network()

    def looked_up(*_: object, **__: object) -> None:
        raise AssertionError("a second look-up")

    monkeypatch.setattr(socket, "getaddrinfo", looked_up)
    answer = await fetch(
        f"http://rebinding.test:{peer.port}/x?y", policy("*"), network=network, resolve=names
    )
    assert answer.url == f"http://rebinding.test:{peer.port}/x?y"
    assert names.asked == ["rebinding.test"]
    assert network.connects == [(PUBLIC, peer.port)]
    assert f"\r\nHost: rebinding.test:{peer.port}\r\n" in peer.requests[0]


async def test_a_name_that_changes_before_a_redirect_is_checked_again(peer: Peer) -> None:
    names, network = Names(rebinding=[[PUBLIC], [LOOPBACK]]), Network()
    peer.pages["/"] = redirect("/again")
    error = await refusal(f"http://rebinding.test:{peer.port}/", policy("*"), network=network, resolve=names)
    assert error.code == "address_not_public"
    assert names.asked == ["rebinding.test"] * 2
    assert (len(network.connects), peer.connects) == (1, 1)


async def test_a_listed_private_address_may_have_a_listed_name(peer: Peer) -> None:
    names = Names(inside=[[LOOPBACK]])
    url = f"http://inside.test:{peer.port}/"
    assert (await fetch(url, policy("inside.test", LOOPBACK), resolve=names)).status == 200
    assert (await refusal(url, policy("inside.test"), resolve=names)).code == "address_not_public"
    assert (await refusal(url, policy(LOOPBACK), resolve=names)).code == "host_not_allowed"


async def test_the_next_address_is_tried_when_one_does_not_answer(peer: Peer) -> None:
    network = Network(dead=[OTHER_PUBLIC])
    names = Names(double=[[OTHER_PUBLIC, PUBLIC]])
    assert (
        await fetch(f"http://double.test:{peer.port}/", policy("*"), network=network, resolve=names)
    ).status == 200
    assert network.connects == [(OTHER_PUBLIC, peer.port), (PUBLIC, peer.port)]


async def test_a_name_with_a_thousand_addresses_costs_a_few_connects() -> None:
    network = Network(dead=_Everything())
    names = Names(many=[[f"93.184.{high}.{low}" for high in range(4) for low in range(250)]])
    error = await refusal("http://many.test/", policy("*"), network=network, resolve=names)
    assert error.code == "connect_failed"
    assert len(network.connects) == 4


async def test_a_port_that_nobody_listens_on_is_told_without_an_address() -> None:
    async with Peer().serving() as peer:
        url = f"http://inside.test:{peer.port}/"
    names = Names(inside=[[LOOPBACK]])
    error = await refusal(url, policy("inside.test", LOOPBACK), resolve=names)
    assert error.code == "connect_failed"
    assert LOOPBACK not in str(error)


# Redirects.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_with_a_plain_get(peer: Peer, status: int) -> None:
    peer.pages["/a/b"] = page(
        b"", "Location: ../c?d#e", "Set-Cookie: session=1; Path=/", status=f"{status} Moved"
    )
    answer = await fetch(f"{peer.url}/a/b")
    assert answer.url == f"{peer.url}/c?d"
    assert peer.connects == 2
    assert peer.requests[1].startswith("GET /c?d HTTP/1.1\r\n")
    assert not {"cookie", "authorization", "referer"} & header_names(peer.requests[1])


def header_names(head: str) -> set[str]:
    return {line.partition(":")[0].lower() for line in head.split("\r\n")[1:]}


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://127.0.0.2:PORT/", "host_not_allowed"),
        ("//127.0.0.2:PORT/", "host_not_allowed"),
        ("http://169.254.169.254/latest/", "host_not_allowed"),
        ("file:///etc/passwd", "scheme_not_allowed"),
        ("ftp://127.0.0.1/", "scheme_not_allowed"),
        ("http://a:b@127.0.0.1:PORT/", "userinfo_not_allowed"),
        ("http://[::1", "fetch_failed"),
        ("http://2130706433:PORT/", "invalid_url"),
        ("\\\\127.0.0.2:PORT/", "fetch_failed"),
        ("http://127.0.0.1:PORT/a b", "fetch_failed"),
    ],
)
async def test_a_redirect_to_what_is_not_allowed_ends_there(peer: Peer, location: str, code: str) -> None:
    peer.pages["/"] = redirect(location.replace("PORT", str(peer.port)))
    error = await refusal(f"{peer.url}/")
    assert error.code == code
    assert str(error).startswith("the page redirects")
    assert not any(told in str(error) for told in ("127.0.0.2", "169.254", "2130706433", "passwd"))
    assert peer.connects == 1


async def test_redirects_in_a_circle_end(peer: Peer) -> None:
    peer.pages |= {"/": redirect("/b"), "/b": redirect("/")}
    assert (await refusal(f"{peer.url}/")).code == "too_many_redirects"
    assert peer.connects == MAX_REDIRECTS + 1


async def test_five_redirects_are_followed(peer: Peer) -> None:
    peer.pages |= {f"/{hop}": redirect(f"/{hop + 1}") for hop in range(MAX_REDIRECTS)}
    answer = await fetch(f"{peer.url}/0")
    assert answer.url.endswith(f"/{MAX_REDIRECTS}")
    assert answer.status == 200


async def test_a_redirect_without_a_place_is_an_answer(peer: Peer) -> None:
    peer.pages["/"] = page(b"choose", status="302 Found")
    assert (await fetch(f"{peer.url}/")).body == b"choose"


# TLS: the certificate is for the name that was asked for, though an address is connected to.


class Authority(NamedTuple):
    server: ssl.SSLContext
    client: ssl.SSLContext
    certificate: Path


def signed(
    name: str, issuer: x509.Name, key: Any, signing_key: Any, *extensions: x509.ExtensionType
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(signing_key, hashes.SHA256())


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    folder = tmp_path_factory.mktemp("authority")
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = signed("root", named("root"), root_key, root_key, x509.BasicConstraints(ca=True, path_length=None))
    names = x509.SubjectAlternativeName(
        [x509.DNSName("secure.test"), x509.IPAddress(ipaddress.ip_address(LOOPBACK))]
    )
    leaf = signed("leaf", named("root"), key, root_key, names)
    pem = serialization.Encoding.PEM
    (folder / "root.pem").write_bytes(root.public_bytes(pem))
    (folder / "leaf.pem").write_bytes(
        leaf.public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "leaf.pem")
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(folder / "root.pem")
    return Authority(server, client, folder / "root.pem")


SECURE = policy("secure.test", "other.test", "plain.test", LOOPBACK, allow_http=False)


def secure_names() -> Names:
    return Names(secure=[[LOOPBACK]], other=[[LOOPBACK]], plain=[[LOOPBACK]])


async def test_tls_is_for_the_name_and_the_connection_to_the_address(authority: Authority) -> None:
    shown: list[str | None] = []
    authority.server.sni_callback = lambda _, name, __: shown.append(name)
    async with Peer().serving(authority.server) as peer:
        answer = await fetch(
            f"https://secure.test:{peer.port}/",
            SECURE,
            ssl_context=authority.client,
            resolve=secure_names(),
        )
    assert answer.body == b"hello"
    assert shown == ["secure.test"]
    assert f"\r\nHost: secure.test:{peer.port}\r\n" in peer.requests[0]


async def test_a_certificate_may_be_for_an_address(authority: Authority) -> None:
    async with Peer().serving(authority.server) as peer:
        url = f"https://{LOOPBACK}:{peer.port}/"
        assert (await fetch(url, SECURE, ssl_context=authority.client)).status == 200


async def test_a_certificate_for_another_name_is_refused(authority: Authority) -> None:
    async with Peer().serving(authority.server) as peer:
        error = await refusal(
            f"https://other.test:{peer.port}/", SECURE, ssl_context=authority.client, resolve=secure_names()
        )
    assert error.code == "tls_failed"
    assert "certificate" in str(error)
    assert peer.requests == []


async def test_the_environment_cannot_add_a_certificate_authority(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    async with Peer().serving(authority.server) as peer:
        error = await refusal(
            f"https://secure.test:{peer.port}/", SECURE, ssl_context=None, resolve=secure_names()
        )
    assert (error.code, peer.requests) == ("tls_failed", [])


async def test_a_server_without_tls_is_told(authority: Authority, peer: Peer) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    server = await asyncio.start_server(garbage, LOOPBACK)
    port = server.sockets[0].getsockname()[1]
    async with server:
        error = await refusal(
            f"https://plain.test:{port}/", SECURE, ssl_context=authority.client, resolve=secure_names()
        )
    assert error.code == "tls_failed"


async def test_https_does_not_fall_back_to_http(authority: Authority, peer: Peer) -> None:
    async with Peer({"/": redirect(f"{peer.url}/")}).serving(authority.server) as secure:
        url = f"https://secure.test:{secure.port}/"
        options = {"ssl_context": authority.client, "resolve": secure_names()}
        for what in (SECURE, policy("secure.test", LOOPBACK)):
            error = await refusal(url, what, **options)
            assert isinstance(error, FetchRefusedError)
            assert error.code == "scheme_not_allowed"
        assert peer.connects == 0


async def test_http_may_lead_to_https(authority: Authority, peer: Peer) -> None:
    async with Peer().serving(authority.server) as secure:
        peer.pages["/"] = redirect(f"https://{LOOPBACK}:{secure.port}/x")
        answer = await fetch(f"{peer.url}/", ssl_context=authority.client)
    assert answer.url == f"https://{LOOPBACK}:{secure.port}/x"


async def test_a_tls_record_that_is_damaged_later_is_no_raw_error(authority: Authority) -> None:
    async def damage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\n")
        await writer.drain()
        raw = writer.get_extra_info("socket")
        with socket.socket(fileno=socket.dup(raw.fileno())) as beneath:
            beneath.send(struct.pack("!BHH", 23, 0x0303, 32) + b"x" * 32)
        await reader.read()

    async with Peer({"/": damage}).serving(authority.server) as peer:
        error = await refusal(f"https://{LOOPBACK}:{peer.port}/", SECURE, ssl_context=authority.client)
    assert error.code == "fetch_failed"


# Limits.


async def test_a_drip_ends_at_the_deadline_and_is_closed(peer: Peer) -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 999\r\n\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            try:
                await asyncio.wait_for(reader.read(1), 0.02)
            except TimeoutError:
                continue
            return

    peer.pages["/"] = drip
    began = time.monotonic()
    error = await refusal(f"{peer.url}/", policy(LOOPBACK, timeout_seconds=0.3))
    assert error.code == "timed_out"
    assert "0.3 s" in str(error)
    assert time.monotonic() - began < 1.3
    await happened(peer.gone)


async def test_the_deadline_covers_all_redirects(peer: Peer) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.wait_for(reader.read(), 0.1)
        except TimeoutError:
            writer.write(redirect("/"))

    peer.pages["/"] = slow
    began = time.monotonic()
    assert (await refusal(f"{peer.url}/", policy(LOOPBACK, timeout_seconds=0.25))).code == "timed_out"
    assert time.monotonic() - began < 1.25
    assert 2 <= peer.connects <= 3


@pytest.mark.parametrize("stage", ["resolving", "connecting", "handshake"])
async def test_the_deadline_covers_what_comes_before_the_request(stage: str, silent: "Silent") -> None:
    # A network and a resolver that never answer
    async def forever(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    network = Network()
    if stage == "connecting":
        network.connect_tcp = forever  # type: ignore[method-assign]
    resolve = forever if stage == "resolving" else Names(slow=[[LOOPBACK]])
    what = policy("slow.test", LOOPBACK, timeout_seconds=0.1)
    error = await refusal(f"https://slow.test:{silent.port}/", what, network=network, resolve=resolve)
    assert error.code == "timed_out"
    if stage == "handshake":
        await happened(silent.gone)


async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True:
        writer.write(b"x" * 65536)
        await writer.drain()


async def test_an_endless_body_is_cut_and_closed(peer: Peer) -> None:
    peer.pages["/"] = flood
    answer = await fetch(f"{peer.url}/")
    assert (answer.body, answer.truncated) == (b"x" * MAX_BYTES, True)
    await happened(peer.gone)


@pytest.mark.parametrize(("size", "truncated"), [(MAX_BYTES, False), (MAX_BYTES + 1, True), (0, False)])
@pytest.mark.parametrize("coding", ["", "identity", "gzip", "x-gzip", "GZIP", "deflate"])
async def test_a_body_is_cut_only_beyond_the_limit(
    peer: Peer, size: int, truncated: bool, coding: str
) -> None:
    encoders: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
    encode = encoders.get(coding.lower().removeprefix("x-"), bytes)
    headers = (f"Content-Encoding: {coding}",) if coding else ()
    peer.pages["/"] = page(encode(b"y" * size), *headers)
    answer = await fetch(f"{peer.url}/")
    assert (answer.body, answer.truncated) == (b"y" * min(size, MAX_BYTES), truncated)
    assert "\r\nAccept-Encoding: identity\r\n" in peer.requests[0]


def bomb(megabytes: int) -> bytes:
    press = zlib.compressobj(9, zlib.DEFLATED, 31)
    parts = [press.compress(bytes(1 << 20)) for _ in range(megabytes)]
    return b"".join([*parts, press.flush()])


async def test_a_decompression_bomb_takes_no_memory(peer: Peer) -> None:
    peer.pages["/"] = page(bomb(256), "Content-Encoding: gzip")
    tracemalloc.start()
    answer = await fetch(f"{peer.url}/", policy(LOOPBACK, max_bytes=100_000))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (len(answer.body), answer.truncated) == (100_000, True)
    assert peak_bytes < 3_000_000


async def test_compressed_nothing_does_not_go_on_for_ever(peer: Peer) -> None:
    async def nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Encoding: gzip\r\n\r\n")
        writer.write(b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03")
        while True:
            # Deflate's empty stored block
            writer.write(b"\x00\x00\x00\xff\xff" * 2000)
            await writer.drain()

    peer.pages["/"] = nothing
    answer = await fetch(f"{peer.url}/")
    assert (answer.body, answer.truncated) == (b"", True)
    await happened(peer.gone)


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"this is not gzip"),
        ("gzip", gzip.compress(b"hello")[:-9]),
        ("deflate", b"\xff\xff"),
        ("br", b"hello"),
        ("zstd", b"hello"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"hello"))),
    ],
    ids=["no gzip", "cut gzip", "no deflate", "brotli", "zstandard", "twice"],
)
async def test_a_coding_that_cannot_be_undone_is_told(peer: Peer, coding: str, body: bytes) -> None:
    peer.pages["/"] = page(body, f"Content-Encoding: {coding}")
    error = await refusal(f"{peer.url}/")
    assert error.code == "fetch_failed"
    assert "compressed" in str(error)


async def endless_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Filler: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


async def one_endless_header(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX-Filler: ")
    while True:
        writer.write(b"x" * 1000)
        await writer.drain()


async def nothing_at_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    return


@pytest.mark.parametrize(
    "behaviour",
    [
        endless_headers,
        one_endless_header,
        nothing_at_all,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    ],
    ids=lambda value: getattr(value, "__name__", ascii(value)[:40]),
)
async def test_what_is_not_http_is_one_error(peer: Peer, behaviour: bytes | Behaviour) -> None:
    peer.pages["/"] = behaviour
    assert (await refusal(f"{peer.url}/")).code == "fetch_failed"
    await happened(peer.gone)


# What comes back.


@pytest.mark.parametrize(
    "media_type",
    [
        "text/html",
        "TEXT/Plain; charset=utf-8",
        "application/json",
        "application/xml",
        "application/xhtml+xml",
        "application/problem+json",
        "application/rss+xml",
        "image/svg+xml",
    ],
)
async def test_text_is_read(peer: Peer, media_type: str) -> None:
    peer.pages["/"] = page(media_type=media_type)
    answer = await fetch(f"{peer.url}/")
    assert answer.media_type == media_type.partition(";")[0].lower()
    assert answer.body == b"hello"


@pytest.mark.parametrize(
    "media_type",
    [
        "",
        "image/png",
        "application/octet-stream",
        "application/pdf",
        "application/jsonp",
        "application/json, image/png",
        "text",
        "text/",
        "x/text/html",
        "multipart/form-data; boundary=text/html",
        "application/x+json+zip",
        "text/" + "x" * 200,
    ],
)
async def test_what_is_not_text_is_refused(peer: Peer, media_type: str) -> None:
    peer.pages["/"] = page(media_type=media_type)
    error = await refusal(f"{peer.url}/")
    assert error.code == "not_text"
    assert len(str(error)) < 200


async def test_what_is_not_text_is_not_read(peer: Peer) -> None:
    async def film(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n")
        await reader.read()

    peer.pages["/"] = film
    assert (await refusal(f"{peer.url}/")).code == "not_text"
    await happened(peer.gone)


@pytest.mark.parametrize("status", ["201 Created", "404 Not Found", "500 Oops", "429 Slow", "401 Who"])
async def test_any_status_is_an_answer(peer: Peer, status: str) -> None:
    peer.pages["/"] = page(b"told", status=status)
    answer = await fetch(f"{peer.url}/")
    assert (answer.status, answer.body) == (int(status[:3]), b"told")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "404 Not Found"])
async def test_an_answer_without_body_needs_no_type(peer: Peer, status: str) -> None:
    peer.pages["/"] = page(b"", status=status, media_type="")
    answer = await fetch(f"{peer.url}/")
    assert (answer.status, answer.media_type, answer.body) == (int(status[:3]), "", b"")


@pytest.mark.parametrize(
    ("declared", "charset"),
    [
        ("text/html", None),
        ("text/html; charset=ISO-8859-1", "iso-8859-1"),
        ('text/html;charset="Shift_JIS"', "shift_jis"),
        ("text/html; level=1; CHARSET = utf-8", "utf-8"),
        ("text/html; charset=", None),
    ],
)
async def test_the_charset_is_as_declared(peer: Peer, declared: str, charset: str | None) -> None:
    peer.pages["/"] = page(media_type=declared)
    assert (await fetch(f"{peer.url}/")).charset == charset


async def test_the_request_says_who_asks_and_nothing_else(peer: Peer) -> None:
    await fetch(f"{peer.url}/a?b=c#d")
    assert peer.requests[0].startswith("GET /a?b=c HTTP/1.1\r\n")
    assert header_names(peer.requests[0]) - {""} == {"host", "user-agent", "accept", "accept-encoding"}
    assert "\r\nUser-Agent: airboss/0.0\r\n" in peer.requests[0]


# The environment has no say.


async def test_proxies_and_netrc_of_the_environment_are_ignored(
    peer: Peer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text(f"machine {LOOPBACK} login someone password something\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with Peer().serving() as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)
        assert (await fetch(f"{peer.url}/")).status == 200
        assert proxy.connects == 0
    assert "authorization" not in header_names(peer.requests[0])


# Cancellation.


class Silent:
    """Accepts connections and says nothing."""

    def __init__(self) -> None:
        self.port = 0
        self.met = asyncio.Event()
        self.gone = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        self.met.set()
        try:
            await reader.read()
        except ConnectionError:
            pass
        finally:
            writer.close()
            self.gone.set()


@pytest.fixture
async def silent() -> AsyncIterator[Silent]:
    silent = Silent()
    server = await asyncio.start_server(silent.serve, LOOPBACK)
    silent.port = server.sockets[0].getsockname()[1]
    async with server:
        yield silent


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_cancelling_closes_the_connection_before_the_answer(silent: Silent, scheme: str) -> None:
    fetching = asyncio.create_task(fetch(f"{scheme}://{LOOPBACK}:{silent.port}/"))
    await happened(silent.met)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    await happened(silent.gone)


async def test_cancelling_closes_the_connection_in_the_body(peer: Peer) -> None:
    sent = asyncio.Event()

    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nbegun")
        await writer.drain()
        sent.set()
        await reader.read()

    peer.pages["/"] = hang
    fetching = asyncio.create_task(fetch(f"{peer.url}/"))
    await happened(sent)
    fetching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await fetching
    await happened(peer.gone)


async def test_no_connection_is_kept(peer: Peer) -> None:
    async def answer_and_wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(page())
        assert await reader.read() == b""

    peer.pages["/"] = answer_and_wait
    client = GuardedClient(policy(LOOPBACK), user_agent="airboss/0.0")
    for _ in range(2):
        assert (await client.get(f"{peer.url}/")).body == b"hello"
        await happened(peer.gone)
        peer.gone.clear()
    assert peer.connects == 2


async def test_many_fetches_at_once_do_not_mix(peer: Peer) -> None:
    peer.pages |= {f"/{number}": page(str(number).encode()) for number in range(150)}
    client = GuardedClient(policy(LOOPBACK), user_agent="airboss/0.0")
    async with asyncio.TaskGroup() as group:
        fetches = [group.create_task(client.get(f"{peer.url}/{number}")) for number in range(150)]
    assert [fetched.result().body for fetched in fetches] == [str(number).encode() for number in range(150)]


# The transport, under any other client.


@asynccontextmanager
async def other_client(what: WebPolicy, **options: Any) -> AsyncIterator[httpx2.AsyncClient]:
    transport = guarded_transport(ReachPolicy(what.allowed_domains, what.allow_http), **options)
    async with httpx2.AsyncClient(transport=transport, trust_env=False, follow_redirects=True) as client:
        yield client


async def test_the_transport_checks_every_request_of_another_client(peer: Peer) -> None:
    peer.pages |= {"/": redirect("http://127.0.0.2/"), "/fine": page()}
    async with other_client(policy(LOOPBACK)) as client:
        assert (await client.post(f"{peer.url}/fine", json={"a": 1})).text == "hello"
        with pytest.raises(httpx2.TransportError) as caught:
            await client.get(f"{peer.url}/")
        assert isinstance(caught.value, FetchRefusedError)
        for url in ("http://127.0.0.2/", f"http://a:b@{LOOPBACK}:{peer.port}/", "http://2130706433/"):
            with pytest.raises(FetchError):
                await client.get(url)
    assert peer.connects <= 2


async def test_the_transport_sets_host_and_tls_name_itself(authority: Authority) -> None:
    async with AsyncExitStack() as stack:
        peer = await stack.enter_async_context(Peer().serving(authority.server))
        client = await stack.enter_async_context(
            other_client(SECURE, ssl_context=authority.client, resolve=secure_names())
        )
        answer = await client.get(
            f"https://secure.test:{peer.port}/",
            headers={"Host": "internal.test"},
            extensions={"target": b"http://internal.test/"},
        )
        assert answer.status_code == 200
        with pytest.raises(FetchError, match="certificate"):
            await client.get(f"https://other.test:{peer.port}/", extensions={"sni_hostname": "secure.test"})
    assert peer.requests[0].startswith("GET / HTTP/1.1\r\n")
    assert f"\r\nHost: secure.test:{peer.port}\r\n" in peer.requests[0]
    assert "internal" not in peer.requests[0]


async def test_the_clients_own_timeouts_hold(peer: Peer) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    peer.pages["/"] = hang
    async with other_client(policy(LOOPBACK, "slow.test"), resolve=never) as client:
        with pytest.raises(httpx2.ReadTimeout):
            await client.get(f"{peer.url}/", timeout=httpx2.Timeout(WAIT_SECONDS, read=0.05))
        with pytest.raises(httpx2.ConnectTimeout):
            await client.get("http://slow.test/", timeout=0.05)


async def test_a_streamed_answer_arrives_part_by_part(peer: Peer) -> None:
    more = asyncio.Event()

    async def two_parts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nfirst")
        await happened(more)
        writer.write(b"second")

    peer.pages["/"] = two_parts
    async with other_client(policy(LOOPBACK)) as client, client.stream("GET", f"{peer.url}/") as answer:
        parts = answer.aiter_raw()
        assert await anext(parts) == b"first"
        more.set()
        assert b"".join([part async for part in parts]) == b"second"


def test_a_list_that_makes_no_sense_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"https://example\.com"):
        GuardedClient(policy("https://example.com"), user_agent="airboss/0.0")
