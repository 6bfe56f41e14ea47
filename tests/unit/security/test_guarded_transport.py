"""One transport for every client whose URLs others may give: which addresses and ports it connects to."""

from collections.abc import Sequence
from typing import Any

import httpcore2
import httpx2
import pytest

from airboss.domain.policies import AddressScope, ReachPolicy
from airboss.security.guarded_transport import FetchError, FetchRefusedError, guarded_transport
from airboss.security.ports import is_web_port

PUBLIC = ["93.184.215.14", "2606:4700::1111", "64:ff9b::808:808"]
PRIVATE = [
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fd12::1",
    "::ffff:10.0.0.1",
]
#: Nobody's web server, or a cloud's metadata: to be named by the operator or not at all.
NEITHER = [
    "0.0.0.0",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1",
    "ff02::1",
]
SCOPES = {
    AddressScope.PUBLIC: PUBLIC,
    AddressScope.PRIVATE: [*PUBLIC, *PRIVATE],
    AddressScope.ANY: [*PUBLIC, *PRIVATE, *NEITHER],
}


class Network(httpcore2.AsyncNetworkBackend):
    """Refuses every connection and keeps where it was asked for."""

    def __init__(self) -> None:
        self.connects: list[tuple[str, int]] = []

    async def connect_tcp(self, host: str, port: int, *rest: Any, **options: Any) -> Any:
        self.connects.append((host, port))
        raise httpcore2.ConnectError("refused")


async def tried(reach: ReachPolicy, url: str, *answers: str) -> tuple[Network, Exception]:
    """Ask for a URL whose host's name has these addresses."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers

    network = Network()
    transport = guarded_transport(reach, resolve=resolve, network=network)
    async with httpx2.AsyncClient(transport=transport, trust_env=False) as client:
        with pytest.raises(httpx2.TransportError) as caught:
            await client.post(url, json={})
    return network, caught.value


def as_host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


@pytest.mark.parametrize("address", [*PUBLIC, *PRIVATE, *NEITHER])
@pytest.mark.parametrize("scope", SCOPES)
async def test_only_addresses_of_the_scope_are_connected(scope: AddressScope, address: str) -> None:
    reach = ReachPolicy(allow_http=True, addresses=scope)
    for url, answers in ((f"http://{as_host(address)}:8080/", []), ("http://name.test:8080/", [address])):
        network, error = await tried(reach, url, *answers)
        if address in SCOPES[scope]:
            assert len(network.connects) == 1
            assert isinstance(error, httpx2.ConnectError)
        else:
            assert network.connects == []
            assert isinstance(error, FetchRefusedError)
            assert error.code == "address_not_public"


@pytest.mark.parametrize("scope", [AddressScope.PUBLIC, AddressScope.PRIVATE])
async def test_one_address_out_of_scope_among_good_ones_is_enough(scope: AddressScope) -> None:
    reach = ReachPolicy(allow_http=True, addresses=scope)
    for answers in ([PUBLIC[0], "169.254.169.254"], ["169.254.169.254", PUBLIC[0]]):
        network, error = await tried(reach, "http://name.test/", *answers)
        assert network.connects == []
        assert isinstance(error, FetchRefusedError)


async def test_a_scope_does_not_open_hosts_or_schemes() -> None:
    listed = ReachPolicy(("mcp.test",), allow_http=False, addresses=AddressScope.ANY)
    for url, code in (
        ("https://other.test/", "host_not_allowed"),
        ("http://mcp.test/", "scheme_not_allowed"),
        ("https://user@mcp.test/", "userinfo_not_allowed"),
        ("https://mcp.test:25/", "port_not_allowed"),
    ):
        network, error = await tried(listed, url, "10.0.0.1")
        assert network.connects == []
        assert isinstance(error, FetchError)
        assert error.code == code


@pytest.mark.parametrize(
    "port", [1, 7, 21, 22, 23, 25, 53, 110, 143, 389, 465, 587, 993, 2049, 6000, 6667, 10080]
)
async def test_ports_of_other_services_are_refused(port: int) -> None:
    assert not is_web_port(port)
    network, error = await tried(ReachPolicy(allow_http=True), f"http://name.test:{port}/", PUBLIC[0])
    assert network.connects == []
    assert isinstance(error, FetchRefusedError)


@pytest.mark.parametrize(
    "port", [80, 81, 443, 591, 3000, 5000, 7860, 8000, 8080, 8443, 8700, 9090, 11434, 65535]
)
async def test_ports_that_web_services_listen_on_are_not(port: int) -> None:
    network, _ = await tried(ReachPolicy(allow_http=True), f"http://name.test:{port}/", PUBLIC[0])
    assert network.connects == [(PUBLIC[0], port)]
