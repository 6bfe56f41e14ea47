"""The names of all events and what each carries besides the fields of its job."""

from enum import StrEnum


class EventType(StrEnum):
    JOB_SPAWNED = "job.spawned"
    JOB_STARTED = "job.started"
    JOB_PROGRESSED = "job.progressed"
    JOB_INTERRUPTED = "job.interrupted"
    JOB_RETRY_SCHEDULED = "job.retry_scheduled"
    JOB_WAITING = "job.waiting"
    JOB_RESUMED = "job.resumed"
    JOB_CANCEL_REQUESTED = "job.cancel_requested"
    JOB_COMPLETED = "job.completed"
    JOB_FAILED = "job.failed"
    JOB_TIMED_OUT = "job.timed_out"
    JOB_CANCELLED = "job.cancelled"
    JOB_PRUNED = "job.pruned"
    OUTPUT_DELTA = "output.delta"
    MODEL_CALLED = "model.called"
    MODEL_ANSWERED = "model.answered"
    TOOL_CALLED = "tool.called"
    TOOL_ANSWERED = "tool.answered"
    TOOL_FAILED = "tool.failed"
    TOOL_DENIED = "tool.denied"
    PROVIDER_THROTTLED = "provider.throttled"
    PROVIDER_BREAKER_OPENED = "provider.breaker_opened"
    PROVIDER_BREAKER_HALF_OPENED = "provider.breaker_half_opened"
    PROVIDER_BREAKER_CLOSED = "provider.breaker_closed"
    MCP_SERVER_CREATED = "mcp.server_created"
    MCP_SERVER_UPDATED = "mcp.server_updated"
    MCP_SERVER_DELETED = "mcp.server_deleted"
    MCP_SERVER_STARTED = "mcp.server_started"
    MCP_SERVER_STOPPED = "mcp.server_stopped"
    MCP_SERVER_FAILED = "mcp.server_failed"
    QUEUE_PAUSED = "queue.paused"
    QUEUE_RESUMED = "queue.resumed"
    NODE_JOINED = "node.joined"
    NODE_DRAINING = "node.draining"
    NODE_LEFT = "node.left"


_TOOL_END = ("tool", "call_id", "step", "duration_seconds")

#: What `data` holds for each type, besides `job_id agent attempt correlation_id` where there is a job.
CATALOGUE: dict[EventType, tuple[str, ...]] = {
    EventType.JOB_SPAWNED: ("priority",),
    EventType.JOB_STARTED: ("queue_wait_seconds", "resumed_steps"),
    EventType.JOB_PROGRESSED: ("message", "fraction"),
    EventType.JOB_INTERRUPTED: ("reason",),
    EventType.JOB_RETRY_SCHEDULED: ("code", "run_at"),
    EventType.JOB_WAITING: ("reason",),
    EventType.JOB_RESUMED: ("reason",),
    EventType.JOB_CANCEL_REQUESTED: ("by",),
    EventType.JOB_COMPLETED: ("duration_seconds", "usage", "output_preview"),
    EventType.JOB_FAILED: ("error", "duration_seconds"),
    EventType.JOB_TIMED_OUT: ("error", "duration_seconds"),
    EventType.JOB_CANCELLED: ("reason", "duration_seconds"),
    EventType.JOB_PRUNED: (),
    EventType.OUTPUT_DELTA: ("text", "step", "offset"),
    EventType.MODEL_CALLED: ("provider", "model", "step"),
    EventType.MODEL_ANSWERED: (
        "provider",
        "model",
        "step",
        "usage",
        "duration_seconds",
        "finish_reason",
        "replayed",
    ),
    EventType.TOOL_CALLED: ("tool", "call_id", "step"),
    EventType.TOOL_ANSWERED: (*_TOOL_END, "preview", "replayed"),
    EventType.TOOL_FAILED: (*_TOOL_END, "code", "preview"),
    EventType.TOOL_DENIED: (*_TOOL_END, "code", "preview"),
    **{kind: ("provider", "model") for kind in EventType if kind.startswith("provider.")},
    **{kind: ("server", "reason", "correlation_id") for kind in EventType if kind.startswith("mcp.")},
    EventType.QUEUE_PAUSED: ("agent",),
    EventType.QUEUE_RESUMED: ("agent",),
    EventType.NODE_JOINED: ("node",),
    EventType.NODE_DRAINING: ("node",),
    EventType.NODE_LEFT: ("node",),
}
