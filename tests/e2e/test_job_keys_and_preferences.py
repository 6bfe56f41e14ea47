"""Idempotency-Key and Prefer: wait."""

import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from tests.e2e.conftest import QUEUE_CAPACITY
from tests.support.api_jobs import ended, spawn
from tests.support.envelope import assert_refused
from tests.support.server import ServerProcess

_BODY = {"agent": "idle", "input": "once"}


def test_the_same_key_and_body_give_the_first_job_as_it_stands(client: httpx2.Client) -> None:
    headers = {"Idempotency-Key": "replayed as it stands"}
    first = client.post("/v1/jobs", json=_BODY, headers=headers)
    assert first.status_code == 202
    assert "idempotent-replayed" not in first.headers
    client.post(first.json()["links"]["cancel"])
    # Defaults that are written out, and another order of keys, make the same job.
    same = {"input": "once", "agent": "idle", "priority": 5, "metadata": {}, "run_at": None}
    second = client.post("/v1/jobs", json=same, headers=headers)
    assert second.status_code == 202
    assert second.headers["idempotent-replayed"] == "true"
    assert second.headers["location"] == first.headers["location"]
    assert second.json()["id"] == first.json()["id"]
    assert second.json()["state"] == "cancelled"


@pytest.mark.parametrize(
    "other",
    [
        {**_BODY, "input": "twice"},
        {**_BODY, "priority": 6},
        {**_BODY, "metadata": {"a": 1}},
        {**_BODY, "agent": "quick"},
        {**_BODY, "input": ["once"]},
    ],
)
def test_the_same_key_with_another_body_is_a_422(client: httpx2.Client, other: dict[str, object]) -> None:
    headers = {"Idempotency-Key": f"mismatch {other}"}
    job = client.post("/v1/jobs", json=_BODY, headers=headers).json()
    assert_refused(client.post("/v1/jobs", json=other, headers=headers), "idempotency_mismatch")
    client.post(job["links"]["cancel"])


@pytest.mark.parametrize("values", [(True, 1), (1, 1.5), ("1", 1), (None, 0), ("é", "e\u0301")])
def test_bodies_that_python_or_a_reader_may_take_for_the_same_are_not(
    client: httpx2.Client, values: tuple[object, object]
) -> None:
    headers = {"Idempotency-Key": f"near {values!a}"}
    bodies = [{**_BODY, "metadata": {"value": value}} for value in values]
    job = client.post("/v1/jobs", json=bodies[0], headers=headers).json()
    assert_refused(client.post("/v1/jobs", json=bodies[1], headers=headers), "idempotency_mismatch")
    client.post(job["links"]["cancel"])


@pytest.mark.parametrize("key", [b"", b"a" * 256, b"tab\there", b"\xe9", b"\xc3\xa9"])
def test_a_key_out_of_form_is_a_422(client: httpx2.Client, key: bytes) -> None:
    answer = client.post("/v1/jobs", json=_BODY, headers=[(b"Idempotency-Key", key)])
    assert_refused(answer, "invalid_parameter")


def test_two_keys_at_once_are_a_422(client: httpx2.Client) -> None:
    headers = [("Idempotency-Key", "one"), ("Idempotency-Key", "two")]
    assert_refused(client.post("/v1/jobs", json=_BODY, headers=headers), "invalid_parameter")


@pytest.mark.parametrize("key", ["k", "a" * 255, "with 'quotes' and ~"])
def test_keys_of_every_allowed_length_work(client: httpx2.Client, key: str) -> None:
    answers = [client.post("/v1/jobs", json=_BODY, headers={"Idempotency-Key": key}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    client.post(answers[0].json()["links"]["cancel"])


def test_a_refused_spawn_does_not_use_its_key_up(client: httpx2.Client) -> None:
    headers = {"Idempotency-Key": "refused at first"}
    assert_refused(
        client.post("/v1/jobs", json={**_BODY, "agent": "nobody"}, headers=headers), "unknown_agent"
    )
    answer = client.post("/v1/jobs", json=_BODY, headers=headers)
    assert answer.status_code == 202
    client.post(answer.json()["links"]["cancel"])


def test_a_replay_is_answered_while_the_queue_is_full(client: httpx2.Client) -> None:
    headers = {"Idempotency-Key": "while the queue is full"}
    first = client.post("/v1/jobs", json=_BODY, headers=headers)
    jobs = [first.json(), *(spawn(client, "idle") for _ in range(QUEUE_CAPACITY - 1))]
    try:
        assert_refused(client.post("/v1/jobs", json=_BODY), "queue_full")
        replay = client.post("/v1/jobs", json=_BODY, headers=headers)
        assert replay.status_code == 202
        assert replay.headers["idempotent-replayed"] == "true"
        assert replay.json()["id"] == first.json()["id"]
        mismatch = client.post("/v1/jobs", json={**_BODY, "input": "other"}, headers=headers)
        assert_refused(mismatch, "idempotency_mismatch")
    finally:
        for job in jobs:
            client.post(job["links"]["cancel"]).raise_for_status()


def test_200_spawns_at_once_with_one_key_make_one_job(busy_server: ServerProcess) -> None:
    headers = {"Idempotency-Key": "two hundred at once"}
    with busy_server.client() as client, ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/jobs", json=_BODY, headers=headers), range(200)))
        assert {answer.status_code for answer in answers} == {202}
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert sum("idempotent-replayed" not in answer.headers for answer in answers) == 1
        client.post(answers[0].json()["links"]["cancel"])


def test_prefer_wait_answers_200_with_the_ended_job(client: httpx2.Client) -> None:
    answer = client.post("/v1/jobs", json={"agent": "text", "input": "x"}, headers={"Prefer": "wait=20"})
    assert answer.status_code == 200
    assert answer.json()["state"] == "completed"
    assert answer.headers["location"] == answer.json()["links"]["self"]
    assert answer.headers["preference-applied"] == "wait=20"


def test_prefer_wait_answers_202_where_the_job_goes_on(client: httpx2.Client) -> None:
    began = time.monotonic()
    answer = client.post("/v1/jobs", json=_BODY, headers={"Prefer": "respond-async, wait=1"})
    assert answer.status_code == 202
    assert 1 <= time.monotonic() - began < 6
    assert answer.json()["state"] == "pending"
    client.post(answer.json()["links"]["cancel"])


def test_prefer_wait_and_a_key_go_together(client: httpx2.Client) -> None:
    headers = {"Prefer": "wait=20", "Idempotency-Key": "waited for"}
    first = client.post("/v1/jobs", json={"agent": "quick", "input": "x"}, headers=headers)
    assert first.status_code == 200
    second = client.post("/v1/jobs", json={"agent": "quick", "input": "x"}, headers=headers)
    # A caller who lost the answer and asks again wants what it asked for: the job's end.
    assert second.status_code == 200
    assert second.headers["idempotent-replayed"] == "true"
    assert second.json() == first.json()


@pytest.mark.parametrize("value", ["wait=61", "wait=3600", "wait=999999999"])
def test_prefer_wait_of_more_than_60_seconds_is_a_422(client: httpx2.Client, value: str) -> None:
    assert_refused(client.post("/v1/jobs", json=_BODY, headers={"Prefer": value}), "invalid_parameter")


@pytest.mark.parametrize(
    "value",
    ["", "wait", "wait=", "wait=abc", "wait=5s", "wait=-1", "respond-async", "handling=lenient", "await=5"],
)
def test_other_preferences_are_passed_over(client: httpx2.Client, value: str) -> None:
    """RFC 7240: a server ignores what it does not know."""
    answer = client.post("/v1/jobs", json=_BODY, headers={"Prefer": value})
    assert answer.status_code == 202
    assert "preference-applied" not in answer.headers
    client.post(answer.json()["links"]["cancel"])


def test_a_waiter_that_goes_away_leaves_the_job_alone(busy_server: ServerProcess) -> None:
    with busy_server.client() as client:
        with pytest.raises(httpx2.ReadTimeout):
            client.post("/v1/jobs", json=_BODY, headers={"Prefer": "wait=30"}, timeout=0.3)
        (job,) = client.get("/v1/jobs", params={"limit": 1}).json()["data"]
        assert job["state"] == "pending"
        client.post(job["links"]["cancel"])
        assert ended(client, job["id"])["state"] == "cancelled"
