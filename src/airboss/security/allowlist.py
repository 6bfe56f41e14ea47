"""Hosts, and the list of those that may be reached."""

import re
from collections.abc import Iterable

import httpx2

from airboss.domain.policies import AddressScope
from airboss.security.addresses import Address, is_private, is_public, read_address

Host = str | Address

_EVERY_PUBLIC_HOST = "*"
_SUBDOMAINS = "*."
_MAX_NAME_CHARACTERS = 253
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


def read_host(text: str) -> Host:
    """Return the name or address that `httpx2.URL.raw_host` says, a name without its trailing dot.

    Raises ValueError, with a text that continues "the host …".
    """
    bare = text.removesuffix(".")
    if (address := read_address(bare)) is not None:
        return address
    labels = bare.split(".")
    if not bare:
        raise ValueError("is missing")
    if len(bare) > _MAX_NAME_CHARACTERS or not all(map(_LABEL.fullmatch, labels)) or not _is_idna(bare):
        raise ValueError("is not a valid name")
    # Resolvers read 2130706433, 0x7f.1 and 0177.0.0.1 as addresses, each in its own way.
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError("looks like an address: write it as four decimal numbers, or IPv6 in brackets")
    return bare


def _is_idna(name: str) -> bool:
    # httpx2 decodes a name only when it is asked for, and then fails: that must not be in a request.
    try:
        return bool(httpx2.URL(host=name).host)
    except ValueError:
        return False


class Allowlist:
    """What `allowed_domains` lets in: `host`, `*.host`, `*` (every public host) or a literal address."""

    def __init__(self, entries: Iterable[str], scope: AddressScope = AddressScope.PUBLIC) -> None:
        """Read the entries; raises ValueError, which names the one that is none of these."""
        self._scope = scope
        self._every = False
        self._names: set[str] = set()
        self._parents: set[str] = set()
        self._addresses: set[Address] = set()
        for entry in entries:
            self._add(entry)

    def _add(self, entry: str) -> None:
        if entry == _EVERY_PUBLIC_HOST:
            self._every = True
            return
        host = _entry_host(entry)
        if not isinstance(host, str):
            self._addresses.add(host)
        elif entry.startswith(_SUBDOMAINS):
            self._parents.add(host)
        else:
            self._names.add(host)

    def allows_host(self, host: Host) -> bool:
        """Tell whether a host may be asked for; where it leads is checked by `allows_address`."""
        if self._every:
            return True
        if not isinstance(host, str):
            return host in self._addresses
        return host in self._names or any(parent in self._parents for parent in _parents(host))

    def allows_address(self, address: Address) -> bool:
        """Tell whether an address may be connected to: one in the scope, or one that is listed itself."""
        if address in self._addresses or self._scope is AddressScope.ANY or is_public(address):
            return True
        return self._scope is AddressScope.PRIVATE and is_private(address)


def require_entry(entry: str) -> None:
    """Raise ValueError for what an allowlist would not take."""
    Allowlist([entry])


def _entry_host(entry: str) -> Host:
    try:
        # The parser that reads the URLs reads the entries, so that both spell a host the same way.
        host = read_host(httpx2.URL(host=entry.removeprefix(_SUBDOMAINS)).raw_host.decode("ascii"))
    except (httpx2.InvalidURL, ValueError) as error:
        raise _not_an_entry(entry) from error
    if entry.startswith(_SUBDOMAINS) and not isinstance(host, str):
        raise _not_an_entry(entry)
    return host


def _not_an_entry(entry: str) -> ValueError:
    return ValueError(f"'{entry}' is no host, *.host, * or address: give it without scheme, port and path")


def _parents(name: str) -> Iterable[str]:
    while "." in name:
        name = name.partition(".")[2]
        yield name
