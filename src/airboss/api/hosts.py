"""Refusing what a page in someone's browser sends: without a token, the address is all the proof there is."""

import ipaddress
from collections.abc import Iterable
from functools import lru_cache

from starlette.datastructures import Headers

from airboss.domain.errors import AirbossError


class HostGuard:
    """Lets in a Host that is this server's, and an Origin that is the same or configured (DNS rebinding)."""

    def __init__(self, *, bound_host: str, allowed_hosts: Iterable[str], cors_origins: Iterable[str]) -> None:
        self._hosts = frozenset({"localhost", bound_host.lower().strip("[]"), *map(str.lower, allowed_hosts)})
        self._origins = frozenset(cors_origins)
        # Callers keep saying the same.
        self._is_ours = lru_cache(maxsize=256)(self._names_us)

    def check(self, headers: Headers) -> None:
        """Raise `host_not_allowed` where the request is not meant for this server."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_ours(hosts[0]):
            raise _refused("Host", hosts[0] if hosts else "")
        if "*" in self._origins:
            return
        for origin in headers.getlist("origin"):
            scheme, _, netloc = origin.partition("://")
            is_same = scheme in ("http", "https") and netloc.lower() == hosts[0].lower()
            if origin not in self._origins and not is_same:
                raise _refused("Origin", origin)

    def _names_us(self, host: str) -> bool:
        name = _without_port(host).lower()
        if name in self._hosts:
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    name = name if colon and port.isascii() and port.isdigit() else host
    return name[1:-1] if name.startswith("[") and name.endswith("]") else name


def _refused(header: str, value: str) -> AirbossError:
    return AirbossError(
        "host_not_allowed",
        f"{header} '{value[:128]}' is not this server's; name it in server.allowed_hosts or server.cors_origins",
    )
