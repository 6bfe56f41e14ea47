"""What each error code means and what to do about it, in the one place that pages are made from."""

from typing import NamedTuple


class ErrorText(NamedTuple):
    """One sentence each, for people; backticks mark names of settings, routes and fields."""

    meaning: str
    advice: str


ERROR_TEXTS: dict[str, ErrorText] = {
    "invalid_json": ErrorText(
        "The body is not JSON as RFC 8259 has it, or the request is not valid HTTP.",
        "Send a JSON object in UTF-8; the message names the place.",
    ),
    "receive_timeout": ErrorText(
        "The body did not arrive within `server.receive_timeout_seconds`.",
        "Send the body faster, or raise `server.receive_timeout_seconds`.",
    ),
    "body_too_large": ErrorText(
        "The body is larger than `server.max_body_bytes`.",
        "Send less: put large inputs into files that the agent's tools read.",
    ),
    "invalid_body": ErrorText(
        "The body is JSON but not what the route takes; `details.problems` says where.",
        "Correct the fields that `details.problems` names.",
    ),
    "invalid_parameter": ErrorText(
        "A query parameter or a header is unknown, malformed or out of range.",
        "Correct or leave out the parameter that the message names.",
    ),
    "idempotency_mismatch": ErrorText(
        "The key was used before with another body.",
        "Use a new key for another request.",
    ),
    "unauthenticated": ErrorText(
        "No token or ticket, or one that is not valid.",
        "Sign in with a valid token (`airboss token issue` makes one).",
    ),
    "token_expired": ErrorText(
        "The token's time is over.",
        "Take a new token and sign in again.",
    ),
    "forbidden": ErrorText(
        "The caller's role is too weak, or what it asks for is the settings' to allow.",
        "Ask an admin for a token with the role that the message names, or change the setting that it names.",
    ),
    "host_not_allowed": ErrorText(
        "`Host` or `Origin` is not this server's.",
        "Add the host to `server.allowed_hosts`, or the origin to `server.cors_origins`.",
    ),
    "route_not_found": ErrorText(
        "There is no such route; a trailing slash matters.",
        "Look the route up in `/docs`.",
    ),
    "job_not_found": ErrorText(
        "There is no such job, or the id is malformed.",
        "Check the id. Retention may have removed the job, or it belongs to another tenant.",
    ),
    "unknown_agent": ErrorText(
        "No such agent is configured.",
        "Choose one of the agents that `GET /v1/agents` lists.",
    ),
    "unknown_provider": ErrorText(
        "No such provider is configured.",
        "Choose one of the providers that `GET /v1/providers` lists.",
    ),
    "unknown_server": ErrorText(
        "There is no such MCP server.",
        "Choose one of the servers that `GET /v1/mcp/servers` lists.",
    ),
    "unknown_node": ErrorText(
        "There is no such node.",
        "Choose one of the nodes that `GET /v1/coord/nodes` lists.",
    ),
    "method_not_allowed": ErrorText(
        "The route exists, the method does not.",
        "Use a method that the `Allow` header names.",
    ),
    "already_final": ErrorText(
        "The job has ended; its state does not change any more.",
        "Nothing needs to be done; `retry` makes a new job of it.",
    ),
    "not_final": ErrorText(
        "The job has not ended yet.",
        "Wait for the job's end, or cancel it first.",
    ),
    "server_exists": ErrorText(
        "An MCP server of this name exists.",
        "Choose another name, or update the server that exists.",
    ),
    "rate_limited": ErrorText(
        "The caller is too fast.",
        "Slow down; wait as long as `Retry-After` says.",
    ),
    "queue_full": ErrorText(
        "As many jobs are pending as are accepted; `Retry-After` is computed from the queue's pace.",
        "Wait as long as `Retry-After` says, or raise `limits.queue_capacity`.",
    ),
    "too_many_subscribers": ErrorText(
        "The caller holds too many event streams, or too many tickets are open.",
        "Close streams that nobody reads: other tabs of the dashboard hold one each.",
    ),
    "draining": ErrorText(
        "The server is shutting down and takes no new job.",
        "Wait until the server is back, or ask another node.",
    ),
    "storage_unavailable": ErrorText(
        "The store cannot be read or written now; nothing was kept.",
        "Look at the disk or the database; `/health/ready` tells when it is well again.",
    ),
    "internal": ErrorText(
        "The server failed; its log has the details under the request's id.",
        "Look for the request's or the job's correlation id in the server's log.",
    ),
    "provider_timeout": ErrorText(
        "The provider did not answer in time.",
        "Retry. If it happens often, raise `timeouts` of the provider, or ask for less in one step.",
    ),
    "provider_rate_limited": ErrorText(
        "The provider refused for its rate limit.",
        "Retry later; lower `requests_per_minute` or `max_concurrent_calls` of the provider.",
    ),
    "provider_unavailable": ErrorText(
        "The provider could not be reached or is failing.",
        "Retry when the provider is back; `fallback` and `retry_on` can do that by themselves.",
    ),
    "provider_rejected": ErrorText(
        "The provider rejected the request.",
        "Check the model's name and the input's size and content; a retry of the same ends the same.",
    ),
    "provider_auth": ErrorText(
        "The provider refused its key, or the key cannot be read.",
        "Check the provider's `api_key` in the settings and whether the key is still valid.",
    ),
    "provider_bad_answer": ErrorText(
        "The provider's answer broke off or cannot be used.",
        "Retry. If it stays, check `base_url` and `api` of the provider.",
    ),
    "breaker_open": ErrorText(
        "The provider is being left alone for a while.",
        "Wait until the breaker closes (Providers shows when), then retry.",
    ),
    "tool_failed": ErrorText(
        "A tool failed in a way that ends the job.",
        "Look at the failed call in the timeline, and at the tool's settings.",
    ),
    "mcp_unavailable": ErrorText(
        "An MCP server cannot be used; `details.reason` says why.",
        "Mend what the reason names, in the server or in its `json_spec`, then retry.",
    ),
    "outcome_unknown": ErrorText(
        "A call that must not be repeated was in flight when its worker was lost.",
        "Look whether the call named in `details` had its effect; only then retry.",
    ),
    "max_turns": ErrorText(
        "The agent made `max_turns` model calls without an answer.",
        "Raise `max_turns` of the agent, or ask for less; the timeline shows what it repeated.",
    ),
    "job_timeout": ErrorText(
        "The job ran for its `timeout_seconds`.",
        "Raise `timeout_seconds`; the timeline shows where the time went.",
    ),
    "queue_timeout": ErrorText(
        "The job was not started within `max_queue_wait_seconds`.",
        "Add workers (`limits.max_concurrent_jobs`), raise the priority, or allow a longer wait.",
    ),
    "worker_lost": ErrorText(
        "The process died in each of the job's attempts.",
        "Look at the server's log for why the process died, before you retry.",
    ),
    "agent_removed": ErrorText(
        "The job's agent is not in the settings any more.",
        "Put the agent back into the settings, or spawn the job with another one.",
    ),
}
