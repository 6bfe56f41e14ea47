"""Who a request is counted for: the token's subject, else the peer's address. Never a header."""

import hashlib
import ipaddress
from functools import lru_cache

from starlette.requests import Request

from airboss.domain.principals import LOCAL_ADMIN, Principal

#: A customer of a network has a /64 at least: each of its addresses would be a caller of its own.
_IPV6_PREFIX = 64
_UNKNOWN_PEER = "unknown"


def caller_key(request: Request) -> str:
    """Return the caller's name among the counted: short, whatever the length of a subject."""
    principal: Principal = request.scope["state"]["principal"]
    if principal is LOCAL_ADMIN:
        # Without authentication everyone is the local admin, and the address is all there is.
        client = request.client
        return f"peer:{peer_network(client.host if client else '')}"
    # Hashed with a separator that no text holds: tenant `a` with `b/c` is not tenant `a/b` with `c`.
    text = f"{principal.tenant}\0{principal.subject}".encode(errors="surrogatepass")
    return f"token:{hashlib.blake2b(text, digest_size=16).hexdigest()}"


@lru_cache(maxsize=4096)
def peer_network(host: str) -> str:
    """Return what is one caller among addresses: an IPv4 address, an IPv6 /64, or this machine as a whole."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        # A proxy may name a peer in words of its own: all of those are one caller.
        return _UNKNOWN_PEER
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback:
        # A user of this machine has 16 million of these.
        return "loopback"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((int(address), _IPV6_PREFIX), strict=False))
