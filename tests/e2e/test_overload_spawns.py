"""Far more work than can be done: what was accepted ends, all else is told when to come again."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
from tests.support.event_reader import event_stream
from tests.support.load_generator import Plan, generate
from tests.support.polling import until
from tests.support.server import ServerProcess, running_server

QUICK = {"provider": "offline", "model": "planner", "tools": []}
#: The offline planner's jobs are quick, the SDK in front of it is not: some are left at the end of a load.
DRAIN_SECONDS = 60.0


def _left(client: httpx2.Client, agent: str) -> int:
    view = client.get(f"/v1/agents/{agent}").json()
    return int(view["pending"]) + int(view["running"])


def _states(client: httpx2.Client) -> dict[str, str]:
    """Return the state of every job there is."""
    states: dict[str, str] = {}
    parameters: dict[str, Any] = {"limit": 200}
    for _ in range(1000):
        page = client.get("/v1/jobs", params=parameters).json()
        states |= {job["id"]: job["state"] for job in page["data"]}
        if not page["has_more"]:
            return states
        parameters["cursor"] = page["next_cursor"]
    raise AssertionError("the list does not end")


def test_ten_times_the_load_is_refused_politely_and_what_is_accepted_ends(folder: Path) -> None:
    settings = {
        "agents": {"quick": QUICK},
        "limits": {"queue_capacity": 40, "max_concurrent_jobs": 4},
    }
    with running_server(folder, settings) as server, server.client() as client:
        plan = Plan(server.url, {"agent": "quick", "input": "x"}, seconds=10, keep=("id",))
        load = generate(plan)
        until(lambda: not _left(client, "quick"), "every accepted job ended", DRAIN_SECONDS)
        assert set(load.statuses) == {202, 429}
        for status, retry_after in zip(load.statuses, load.retry_after, strict=True):
            if status == 429:
                assert retry_after is not None
                assert 1 <= int(retry_after) <= 300
            else:
                assert retry_after is None
        accepted = {kept["id"] for kept in load.accepted}
        assert len(accepted) == Counter(load.statuses)[202]
        states = _states(client)
        assert set(states) == accepted, "a refused spawn left a job, or an accepted one is lost"
        assert set(states.values()) == {"completed"}
        assert client.get("/health/ready").status_code == 200
    assert not _errors(server)


def _errors(server: ServerProcess) -> list[dict[str, Any]]:
    entries = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
    return [entry for entry in entries if entry.get("level") in ("error", "critical")]


def test_an_agent_with_a_long_queue_lets_the_others_in_by_turns(folder: Path) -> None:
    """One slot, three agents: a job starts after at most one of each other agent, not after the long queue."""
    agents = ["hog", "first", "second"]
    settings = {
        "agents": dict.fromkeys(agents, QUICK),
        "limits": {"max_concurrent_jobs": 1},
    }
    with running_server(folder, settings) as server, server.client() as client:
        for agent in agents:
            client.post(f"/v1/coord/queues/{agent}/pause").raise_for_status()
        plan = Plan(server.url, {"agent": "hog", "input": "x"}, connections=4, requests=60)
        assert set(generate(plan).statuses) == {202}
        for agent in agents[1:] * 3:
            client.post("/v1/jobs", json={"agent": agent, "input": "x"}).raise_for_status()
        with event_stream(server, types="job.started") as events:
            # The one slot goes to the hog before the others may start: the worst that can happen to them.
            for agent in agents:
                client.post(f"/v1/coord/queues/{agent}/resume").raise_for_status()
            starts = [events.next().data["data"]["agent"] for _ in range(66)]
    begin = min(starts.index("first"), starts.index("second"))
    turns = starts[begin : begin + 8]
    assert Counter(turns)["hog"] <= 3, starts
    assert Counter(turns)["first"] == Counter(turns)["second"] or len(set(turns)) == 3, starts
    last = max(index for index, agent in enumerate(starts) if agent != "hog")
    assert last - begin <= 3 * len(agents), f"an agent with three jobs waited behind the hog: {starts}"
