"""Which IP addresses belong to the public internet, and which to somebody's own network."""

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

Address = IPv4Address | IPv6Address

# The standard library's `is_global` has changed between patch releases of one Python version: what is refused
# here must not depend on that. Source: the IANA special-purpose address registries (RFC 6890).
_NOT_PUBLIC_V4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network: 0.0.0.0 reaches this very host
        "10.0.0.0/8",
        "100.64.0.0/10",  # shared behind carrier NAT; some clouds keep their metadata service there
        "127.0.0.0/8",
        "168.63.129.16/32",  # looks public, and is Azure's service for its own virtual machines
        "169.254.0.0/16",  # link-local; most clouds keep their metadata service there
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4, withdrawn
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)

# All that IANA has given out for the public is in here; loopback, link-local, unique local, multicast,
# IPv4-compatible and IPv4-translated addresses are not.
_GLOBAL_UNICAST_V6 = IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, among them Teredo, which carries an IPv4 address
        "2001:db8::/32",
        "2002::/16",  # 6to4, which carries an IPv4 address
        "3fff::/20",
    )
)

# RFC 6052: where IPv4 is only reached through a NAT64, every IPv4 host has such an address.
_NAT64 = IPv6Network("64:ff9b::/96")


_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
    )
)
# Whoever can ask these from inside is the machine itself to its cloud. 169.254.169.254 is in no list above.
_METADATA = frozenset(map(ipaddress.ip_address, ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")))


def read_address(text: str) -> Address | None:
    """Return the address that a text is in its usual form, or None; an IPv4-mapped one is its IPv4 address.

    None too for decimal, octal, hexadecimal and short forms, and for an address with a zone.
    """
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv4Address):
        return address
    if address.scope_id is not None:
        return None
    return address.ipv4_mapped or address


def is_public(address: Address) -> bool:
    """Tell whether an address is one of the public internet, judging IPv6 that carries IPv4 by both."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(IPv4Address(address.packed[-4:]))
    return address in _GLOBAL_UNICAST_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def is_private(address: Address) -> bool:
    """Tell whether an address is this machine's or of a private network, and no cloud's metadata service."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address not in _METADATA and any(address in network for network in _PRIVATE)
