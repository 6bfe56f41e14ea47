"""Small frozen policies: what settings mean to the parts that obey them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """How much runs and how much may wait on this node."""

    max_concurrent_jobs: int
    queue_capacity: int


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long what is over is kept, in seconds."""

    jobs_seconds: float
    events_seconds: float
    keys_seconds: float = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class EventPolicy:
    """Bounds of the event stream."""

    subscriber_buffer: int
    heartbeat_seconds: float
    max_bytes: int


@dataclass(frozen=True, slots=True)
class FilesPolicy:
    """What the file tools may reach."""

    root: str
    max_bytes: int
    writable: bool


@dataclass(frozen=True, slots=True)
class EdgePolicy:
    """What the HTTP edge lets in; times in seconds, sizes in bytes."""

    max_body_bytes: int
    receive_timeout_seconds: float
    max_connections: int
    max_subscribers_per_caller: int
    allowed_hosts: tuple[str, ...]
    cors_origins: tuple[str, ...]
    metrics_public: bool


class AddressScope(StrEnum):
    """Which addresses may be connected to, besides those that are listed themselves."""

    PUBLIC = "public"
    #: Those of this machine and of private networks too, but none that clouds keep their metadata at.
    PRIVATE = "private"
    #: For what the operator named: a settings file is not to be protected from its author.
    ANY = "any"


@dataclass(frozen=True, slots=True)
class ReachPolicy:
    """Where HTTP may go: hosts as `tools.web.allowed_domains` writes them, and addresses."""

    allowed_domains: tuple[str, ...] = ("*",)
    allow_http: bool = False
    addresses: AddressScope = AddressScope.PUBLIC


class RateKind(StrEnum):
    """What is counted apart: what makes work, and everything else that is asked."""

    SPAWN = "spawn"
    READ = "read"


@dataclass(frozen=True, slots=True)
class RatePolicy:
    """How fast a caller may come, like 600/minute; a kind without a rate is not counted.

    `store_url` is an address or a reference to one, where all nodes count together; None: each its own.
    """

    rates: Mapping[RateKind, str]
    store_url: str | None
    fails_open: bool


@dataclass(frozen=True, slots=True)
class WebPolicy:
    """What may be fetched from the web, and how long and how much that may take."""

    allowed_domains: tuple[str, ...]
    allow_http: bool
    timeout_seconds: float
    max_bytes: int


@dataclass(frozen=True, slots=True)
class JwtPolicy:
    """Which bearer tokens are taken: one algorithm, one issuer, one audience, and where the keys are from.

    `secret` is a reference. Where there is neither a path nor an address the issuer is asked for its own.
    """

    algorithm: str
    issuer: str
    audience: str
    secret: str | None
    public_key_path: Path | None
    jwks_url: str | None


@dataclass(frozen=True, slots=True)
class VaultPolicy:
    """How Vault is reached: with a token, or with an app role's two ids. All but the address are references.

    `locations` are the paths that the settings refer to, `MOUNT/PATH`: they are read before they are used.
    """

    address: str
    token: str | None
    role_id: str
    secret_id: str
    locations: frozenset[str] = frozenset()
    #: A value that was rotated is picked up after at most so long, and the time of a read.
    fresh_seconds: float = 30.0
    #: While Vault cannot answer, the last value is served for so long.
    stale_seconds: float = 600.0
    #: One call, whatever it does.
    call_seconds: float = 8.0
    #: Between two tries while Vault cannot answer.
    retry_seconds: float = 5.0
