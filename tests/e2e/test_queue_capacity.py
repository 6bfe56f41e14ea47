"""A full queue: exact under a race, honest about when to come back, and nothing accepted is lost."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
from tests.e2e.conftest import QUEUE_CAPACITY
from tests.support.api_jobs import ended, spawn
from tests.support.envelope import assert_refused
from tests.support.server import ServerProcess


def test_200_spawns_at_once_take_exactly_the_places_there_are(busy_server: ServerProcess) -> None:
    with busy_server.client() as client:
        client.post("/v1/coord/queues/quick/pause").raise_for_status()
        with ThreadPoolExecutor(50) as pool:
            answers = list(
                pool.map(
                    lambda number: client.post("/v1/jobs", json={"agent": "quick", "input": str(number)}),
                    range(200),
                )
            )
        accepted = [answer for answer in answers if answer.status_code == 202]
        refused = [answer for answer in answers if answer.status_code != 202]
        try:
            assert len(accepted) == QUEUE_CAPACITY
            assert len(refused) == 200 - QUEUE_CAPACITY
            for answer in refused:
                error = assert_refused(answer, "queue_full")
                assert error["details"] == {"pending": QUEUE_CAPACITY, "capacity": QUEUE_CAPACITY}
                assert 1 <= int(answer.headers["retry-after"]) <= 300
            positions = {
                client.get(answer.headers["location"]).json()["queue_position"] for answer in accepted
            }
            assert positions == set(range(1, QUEUE_CAPACITY + 1))
            assert client.get("/health/ready").status_code == 200
            (queue,) = (each for each in _queues(client) if each["agent"] == "quick")
            assert queue == {"agent": "quick", "depth": QUEUE_CAPACITY, "running": 0, "paused": True}
            agent = client.get("/v1/agents/quick").json()
            assert (agent["pending"], agent["paused"]) == (QUEUE_CAPACITY, True)
        finally:
            client.post("/v1/coord/queues/quick/resume").raise_for_status()
        states = {ended(client, answer.json()["id"])["state"] for answer in accepted}
        assert states == {"completed"}
        assert client.get("/v1/agents/quick").json()["pending"] == 0


def test_a_place_is_free_again_after_each_way_out(client: httpx2.Client) -> None:
    jobs = [spawn(client, "idle") for _ in range(QUEUE_CAPACITY - 1)]
    timed = spawn(client, "idle", max_queue_wait_seconds=0.1)
    assert ended(client, timed["id"])["state"] == "timed_out"
    jobs.append(spawn(client, "idle"))
    assert_refused(client.post("/v1/jobs", json={"agent": "idle", "input": "x"}), "queue_full")
    assert_refused(client.post(f"{timed['links']['self']}/retry"), "queue_full")
    client.post(jobs[0]["links"]["cancel"])
    assert client.post("/v1/jobs", json={"agent": "idle", "input": "x"}).status_code == 202


def test_jobs_of_the_future_take_no_place(client: httpx2.Client) -> None:
    for _ in range(QUEUE_CAPACITY):
        spawn(client, "idle")
    future = spawn(client, "idle", run_at="2999-01-01T00:00:00Z")
    assert future["queue_position"] is None
    assert_refused(client.post("/v1/jobs", json={"agent": "idle", "input": "x"}), "queue_full")


def test_a_refused_spawn_leaves_nothing_behind(client: httpx2.Client) -> None:
    for _ in range(QUEUE_CAPACITY):
        spawn(client, "idle")
    before = client.get("/v1/jobs", params={"limit": 1}).json()["data"]
    for _ in range(5):
        client.post("/v1/jobs", json={"agent": "idle", "input": "refused"})
    assert client.get("/v1/jobs", params={"limit": 1}).json()["data"] == before


def test_pausing_twice_is_harmless_and_survives(client: httpx2.Client) -> None:
    for _ in range(2):
        answer = client.post("/v1/coord/queues/idle/pause")
        assert answer.status_code == 200
        assert answer.json()["paused"] is True
    assert {queue["agent"] for queue in _queues(client) if queue["paused"]} == {"idle"}


def _queues(client: httpx2.Client) -> list[dict[str, Any]]:
    queues: list[dict[str, Any]] = client.get("/v1/coord/queues").json()["data"]
    return queues
