"""The list lets in what it names, however that is spelled, and nothing that only looks like it."""

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airboss.security.addresses import read_address
from airboss.security.allowlist import Allowlist, read_host


def allows(entry: str, url_host: str) -> bool:
    host = read_host(httpx2.URL(f"https://{url_host}/").raw_host.decode())
    return Allowlist([entry]).allows_host(host)


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("example.com", "example.com"),
        ("example.com", "EXAMPLE.com"),
        ("example.com", "example.com."),
        ("Example.COM.", "example.com"),
        ("*.example.com", "a.example.com"),
        ("*.example.com", "a.b.Example.com."),
        ("*.EXAMPLE.com.", "a.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "BÜCHER.example"),
        ("*.bücher.example", "www.bücher.example"),
        ("localhost", "localhost"),
        ("my_host", "my_host"),
        ("127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "127.0.0.1."),
        ("127.0.0.1", "[::ffff:127.0.0.1]"),
        ("::ffff:7f00:1", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("::1", "[0:0:0:0:0:0:0:1]"),
        ("*", "example.com"),
        ("*", "8.8.8.8"),
        ("*", "[2606:4700::1]"),
    ],
)
def test_lets_in(entry: str, host: str) -> None:
    assert allows(entry, host)


@pytest.mark.parametrize(
    ("entry", "host"),
    [
        ("example.com", "www.example.com"),
        ("example.com", "example.com.evil.test"),
        ("example.com", "notexample.com"),
        ("example.com", "example.co"),
        ("example.com", "com"),
        ("*.example.com", "example.com"),
        ("*.example.com", "notexample.com"),
        ("*.example.com", "a.example.com.evil.test"),
        ("127.0.0.1", "127.0.0.2"),
        ("127.0.0.1", "[::1]"),
        ("127.0.0.1", "localhost"),
        ("example.com", "8.8.8.8"),
        ("*.com", "8.8.8.8"),
        ("xn--bcher-kva.example", "bucher.example"),
    ],
)
def test_does_not_let_in(entry: str, host: str) -> None:
    assert not allows(entry, host)


@pytest.mark.parametrize("host", ["example.com", "localhost", "127.0.0.1", "8.8.8.8", "::1"])
def test_an_empty_list_lets_nothing_in(host: str) -> None:
    assert not Allowlist([]).allows_host(read_host(host))


@pytest.mark.parametrize(
    "entry",
    [
        "",
        " ",
        ".",
        "*.",
        "**",
        "*.*",
        "*.*.com",
        "a.*.com",
        "*example.com",
        " example.com",
        "example.com ",
        "example..com",
        ".example.com",
        "https://example.com",
        "//example.com",
        "example.com/",
        "example.com:443",
        "user@example.com",
        "example.com#x",
        "example.com?x",
        "exa%6dple.com",
        "-example.com",
        "10.0.0.0/8",
        "*.10.0.0.1",
        "*.[::1]",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.256",
        "[::1",
        "[::1%eth0]",
        "fe80::1%25eth0",
        "a" * 64 + ".com",
        ".".join(["a" * 60] * 5),
        "exam\nple.com",
        "exam\u200bple.com",
        "\ud800.com",
        "xn--.com",
    ],
)
def test_an_entry_that_is_no_host_is_told(entry: str) -> None:
    with pytest.raises(ValueError, match=r"is no host, \*\.host, \* or address"):
        Allowlist([entry])


def test_only_a_listed_address_may_be_private() -> None:
    public, private, other = (read_address(text) for text in ("8.8.8.8", "10.0.0.1", "10.0.0.2"))
    assert public
    assert private
    assert other
    everything, listed = Allowlist(["*"]), Allowlist(["10.0.0.1", "example.com"])
    assert everything.allows_address(public)
    assert listed.allows_address(public)
    assert not everything.allows_address(private)
    assert listed.allows_address(private)
    assert not listed.allows_address(other)


@given(st.text())
def test_any_text_is_a_host_or_a_value_error(text: str) -> None:
    try:
        host = read_host(text)
    except ValueError:
        return
    assert read_host(str(host)) == host
    assert str(host).isascii()


@given(st.text())
def test_any_entry_is_taken_or_a_value_error(text: str) -> None:
    try:
        allowed = Allowlist([text])
    except ValueError:
        return
    assert text == "*" or not allowed.allows_host("unrelated.test") or "test" in text.lower()
