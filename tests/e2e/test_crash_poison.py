"""A job that ends its process every time it runs: it ends after its attempts, and the others go on."""

import threading
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support.api_jobs import ended, event_types, get, spawn
from tests.support.chaos_provider import Call, chaos_provider, chaos_settings, expected_answer, script
from tests.support.server import running_server

_DEADLINE_SECONDS = 30.0
_MAX_ATTEMPTS = 3


def test_a_poison_job_ends_at_max_attempts_and_the_others_go_on(folder: Path) -> None:
    struck = threading.Event()
    others: list[dict[str, Any]] = []
    poison: dict[str, Any] = {}

    def strike(call: Call) -> None:
        if call.marker == "poison":
            struck.set()

    with chaos_provider() as provider:
        provider.on_call = strike
        settings = chaos_settings(provider, max_attempts=_MAX_ATTEMPTS)
        for number in range(_MAX_ATTEMPTS):
            with running_server(folder, settings) as server, server.client() as client:
                if number == 0:
                    others += [spawn(client, "chaos", script(f"before{n}", "w", 80)) for n in range(4)]
                    poison = spawn(client, "chaos", script("poison", "x"))
                    others += [spawn(client, "chaos", script(f"after{n}", "w", 80)) for n in range(20)]
                assert struck.wait(_DEADLINE_SECONDS), "the poison was not taken"
                struck.clear()
                server.kill()
        with running_server(folder, settings) as server, server.client() as client:
            failed = get(client, poison["id"])
            assert (failed["state"], failed["error"]["code"]) == ("failed", "worker_lost")
            assert failed["error"]["details"] == {"attempts": 3, "max_attempts": 3}
            assert failed["attempt"] == _MAX_ATTEMPTS
            assert [kind for kind in event_types(client, poison["id"]) if kind.startswith("job.")] == [
                "job.spawned",
                *["job.started", "job.interrupted"] * 2,
                "job.started",
                "job.failed",
            ]
            finals = [ended(client, job["id"]) for job in others]
        assert Counter(job["state"] for job in finals) == {"completed": len(others)}
        assert [job["output"] for job in finals] == [expected_answer(job["input"]) for job in finals]
        assert len(provider.of("poison")) == _MAX_ATTEMPTS
