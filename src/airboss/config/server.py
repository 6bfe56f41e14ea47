"""Settings of the HTTP server: `server`."""

from ipaddress import ip_address
from pathlib import Path

from pydantic import Field

from airboss.config.section import Section
from airboss.config.values import (
    Capacity,
    DelaySeconds,
    FilePath,
    HostName,
    Network,
    Port,
    Seconds,
    Text,
    WebOrigin,
)


class ServerSettings(Section):
    """Where the server listens, and how much it takes from its clients."""

    host: Text = Field("127.0.0.1", description="Address to bind; beyond loopback only with auth.mode jwt.")
    port: Port = Field(8700, description="TCP port to bind; 0 picks a free one.")
    data_dir: FilePath = Field(
        Path(".airboss"), description="Folder for the database and all else that outlives a restart."
    )
    require_tls: bool = Field(
        default=False,
        description="Refuse to start without a certificate and its key, so that none is forgotten.",
    )
    tls_cert_path: FilePath | None = Field(
        None, description="PEM file with the certificate chain; null: no TLS here."
    )
    tls_key_path: FilePath | None = Field(None, description="PEM file with the certificate's private key.")
    max_body_bytes: Capacity = Field(
        1_048_576,
        description="Largest request body, in bytes; a longer one is cut off with 413 to keep memory flat.",
    )
    receive_timeout_seconds: Seconds = Field(
        10,
        description="Seconds a request may take to arrive, against clients that hold connections by dribbling.",
    )
    max_connections: Capacity = Field(
        20_000, description="Open connections at most, kept below the process's limit of file descriptors."
    )
    max_subscribers_per_caller: Capacity = Field(
        2_000, description="Open event streams of one caller at most, so that nobody takes them all."
    )
    shutdown_grace_seconds: DelaySeconds = Field(
        30, description="Seconds that running jobs get to end in a drain; what still runs is handed back."
    )
    forwarded_allow_ips: tuple[Network, ...] = Field(
        (), description="Proxies, as addresses or networks, whose X-Forwarded-* headers are believed."
    )
    allowed_hosts: tuple[HostName, ...] = Field(
        (), description="Host values accepted besides loopback and the bound address, against DNS rebinding."
    )
    cors_origins: tuple[WebOrigin, ...] = Field(
        (), description="Origins whose pages may call the API from a browser; empty: none."
    )
    metrics_public: bool = Field(
        default=True, description="Whether /metrics answers without a token, for scrapers."
    )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False
