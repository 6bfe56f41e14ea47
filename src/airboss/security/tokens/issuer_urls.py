"""Addresses that keys may be fetched from."""

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit


def discovery_url(issuer: str) -> str:
    """Return where an issuer publishes its configuration (OpenID Connect Discovery 1.0, 4.1)."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def is_issuer_url(issuer: str) -> bool:
    """Tell whether an issuer can be asked at all: many are just names."""
    parts = _split(issuer)
    return parts is not None and not parts.query and not parts.fragment


def is_loopback(url: str) -> bool:
    parts = _split(url)
    return parts is not None and _is_loopback_host(parts.hostname or "")


def is_safe(url: str, *, http_on_loopback: bool = True) -> bool:
    """Tell whether nobody on the way can put keys of their own there: https, or this very machine."""
    parts = _split(url)
    if parts is None:
        return False
    return parts.scheme == "https" or (http_on_loopback and _is_loopback_host(parts.hostname or ""))


def _split(url: str) -> SplitResult | None:
    """Take an http or https address apart; None for anything else, and for one with a user in it."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    return parts


def _is_loopback_host(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
