"""What to do next, by error code: with a command where there is one, else as every other page says it."""

from airboss.domain.error_texts import ERROR_TEXTS

_RETRY = "then 'airboss jobs retry ID'"
_PROVIDER = f"'airboss providers' shows how the provider is; {_RETRY}"

_COMMANDS = {
    "invalid_body": "see 'airboss jobs spawn --help'",
    "invalid_parameter": "see --help of the command",
    "idempotency_mismatch": "use another --idempotency-key, or send exactly what was sent first",
    "unauthenticated": "give a token with --token or AIRBOSS_TOKEN",
    "token_expired": "get a new token and give it with --token or AIRBOSS_TOKEN",
    "job_not_found": "'airboss jobs list' shows the jobs there are; ended ones are removed after a while",
    "unknown_agent": (
        "'airboss agents' lists the agents; settings are read when the server starts: restart it after a change"
    ),
    "unknown_provider": "'airboss providers' lists the providers",
    "already_final": "'airboss jobs show' tells how it ended; 'airboss jobs retry' runs it again",
    "not_final": "wait for its end with 'airboss jobs watch', or cancel it with 'airboss jobs cancel'",
    "queue_full": "try again later; with an --idempotency-key a repeat is harmless",
    "too_many_subscribers": "end another watch, or raise server.max_subscribers_per_caller",
    "provider_timeout": _PROVIDER,
    "provider_unavailable": _PROVIDER,
    "provider_rejected": "check the agent's model and settings with 'airboss agents show AGENT'",
    "provider_auth": f"check the provider's api_key with 'airboss config show', {_RETRY}",
    "provider_bad_answer": _PROVIDER,
    "breaker_open": f"the provider is left alone for a while; 'airboss providers' says how long, {_RETRY}",
    "tool_failed": f"'airboss jobs watch ID' shows what the tool was asked; {_RETRY}",
    "job_timeout": "spawn it with a longer --timeout-seconds, or raise the agent's timeout_seconds",
    "queue_timeout": "spawn it with a longer --max-queue-wait-seconds or a higher --priority",
    "agent_removed": "spawn it for another agent; 'airboss agents' lists them",
}


def for_request(code: str) -> str:
    """Say what to do about a refused request; nothing where the code is unknown."""
    known = ERROR_TEXTS.get(code)
    return _COMMANDS.get(code, _as_rest_of_line(known.advice) if known else "")


def for_job(code: str, job_id: str, agent: str) -> str:
    """Say what to do about a job that ended with this code; nothing where the code is unknown."""
    return for_request(code).replace("ID'", f"{job_id}'").replace("AGENT'", f"{agent}'")


def _as_rest_of_line(sentence: str) -> str:
    """Let a sentence of the pages read as the commands' own advice does, behind `next:`."""
    return f"{sentence[:1].lower()}{sentence[1:]}".removesuffix(".")
