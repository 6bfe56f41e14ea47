"""Who is one caller and who is another."""

from typing import Any

import pytest
from starlette.requests import Request

from airboss.api.rates.callers import caller_key, peer_network
from airboss.domain.principals import LOCAL_ADMIN, Principal, Role

_HEADERS = [(b"x-forwarded-for", b"9.9.9.9"), (b"x_forwarded_for", b"9.9.9.9"), (b"x-real-ip", b"9.9.9.9")]


def _request(principal: Principal, host: str | None = "192.0.2.1") -> Request:
    scope: dict[str, Any] = {"type": "http", "headers": _HEADERS, "client": host and (host, 4711)}
    request = Request(scope)
    request.state.principal = principal
    return request


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("127.0.0.1", "127.9.9.9"),
        ("127.0.0.1", "::1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("::FFFF:C000:0201", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"),
        ("2001:DB8:1:2::1", "2001:0db8:0001:0002:0000:0000:0000:0009"),
        ("fe80::1%eth0", "fe80::2%eth1"),
        ("", "unix"),
        ("_hidden", "unknown"),
    ],
)
def test_these_are_one_caller(one: str, other: str) -> None:
    assert peer_network(one) == peer_network(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("2001:db8:1:2::1", "2001:db8:1:3::1"),
        ("192.0.2.1", "127.0.0.1"),
        ("192.0.2.1", "nonsense"),
    ],
)
def test_these_are_two(one: str, other: str) -> None:
    assert peer_network(one) != peer_network(other)


def test_a_token_counts_by_tenant_and_subject_whatever_the_address() -> None:
    ann = Principal("ann", "north", Role.RUN)
    assert caller_key(_request(ann)) == caller_key(_request(ann, "198.51.100.7"))
    # The role may change with the next token; the caller stays.
    assert caller_key(_request(ann)) == caller_key(_request(Principal("ann", "north", Role.ADMIN)))
    others = [
        Principal("bob", "north", Role.RUN),
        Principal("ann", "south", Role.RUN),
        Principal("h/ann", "nort", Role.RUN),
        # Nobody becomes the local admin by their name.
        Principal("local", "default", Role.ADMIN),
    ]
    keys = {caller_key(_request(each)) for each in [ann, *others, LOCAL_ADMIN]}
    assert len(keys) == len(others) + 2


def test_a_key_is_short_whatever_the_subject_is() -> None:
    assert len(caller_key(_request(Principal("x" * 100_000 + "\udc80", "t" * 100_000, Role.READ)))) < 64


def test_without_a_token_the_address_counts_and_no_header() -> None:
    assert caller_key(_request(LOCAL_ADMIN)) == "peer:192.0.2.1"
    assert caller_key(_request(LOCAL_ADMIN, None)) == "peer:unknown"
