"""Small frozen policies: the bounds within which MCP servers are kept; times in seconds, sizes in bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from airboss.domain.mcp_servers import ServerSpec

#: What a managed process gets to see of this machine; the spec's own variables are laid over it.
DEFAULT_ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",  # noqa: S108 - a server that needs a home of its own names it in its env
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",  # noqa: S108
}


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How soon a server that failed is tried again, and after how many failures in a row it is left alone.

    A session that lasted `stable_seconds` makes the earlier failures forgotten. Pauses and quarantines double.
    """

    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 8.0
    failures_to_quarantine: int = 5
    quarantine_seconds: float = 60.0
    longest_quarantine_seconds: float = 900.0
    stable_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class ProcessPolicy:
    """How a managed process is started and ended: its input is closed, then SIGTERM, then SIGKILL."""

    environment: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULT_ENVIRONMENT))
    input_closed_seconds: float = 0.5
    terminate_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class McpPolicy:
    """Bounds of each connection.

    A message over `max_message_bytes` is dropped and its call fails; an answer over `max_answer_bytes` is cut.
    After a call that timed out the server is pinged; without an answer, or after `timeouts_to_reopen` calls in
    a row, it is opened anew. After `idle_check_seconds` of silence without calls it is pinged, too.
    """

    open_seconds: float = 30.0
    connect_seconds: float = 10.0
    ping_seconds: float = 5.0
    idle_check_seconds: float = 60.0
    timeouts_to_reopen: int = 3
    max_calls_in_flight: int = 16
    max_calls_waiting: int = 64
    max_checks: int = 4
    max_message_bytes: int = 4 * 1024 * 1024
    max_answer_bytes: int = 128 * 1024
    max_error_bytes: int = 4 * 1024
    max_tools: int = 500
    max_tool_bytes: int = 64 * 1024
    max_progress_per_second: int = 10
    max_notifications_per_second: int = 1000
    restart: RestartPolicy = field(default_factory=RestartPolicy)
    process: ProcessPolicy = field(default_factory=ProcessPolicy)


@dataclass(frozen=True, slots=True)
class ServersPolicy:
    """The servers of the settings, and what an admin may add to them by API."""

    servers: Mapping[str, ServerSpec] = field(default_factory=dict)
    allowed_commands: tuple[str, ...] = ()
    allowed_images: tuple[str, ...] = ()
    allow_private_endpoints: bool = False
