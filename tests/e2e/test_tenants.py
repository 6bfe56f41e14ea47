"""Tenants do not meet: in lists, keys, waits, counts, pages, streams and tickets."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import ended, run, spawn
from tests.support.auth_servers import client_as, client_of, jwt_server
from tests.support.envelope import assert_refused
from tests.support.event_reader import StreamFrame, event_stream
from tests.support.server import ServerProcess
from tests.support.tokens import Forge, bearer

SOON_SECONDS = 2
DEADLINE_SECONDS = 20.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    settings = {"events": {"heartbeat_seconds": 0.2}}
    with jwt_server(tmp_path_factory.mktemp("server"), settings=settings) as running:
        yield running


@pytest.fixture
def callers(server: ServerProcess) -> Iterator[dict[str, httpx2.Client]]:
    """Someone who runs jobs in each of two tenants, and an admin of a third."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(client_as(server, role, tenant))
            for name, role, tenant in (
                ("red", "run", "red"),
                ("blue", "run", "blue"),
                ("boss", "admin", "gold"),
            )
        }


Callers = dict[str, httpx2.Client]


def token_of(tenant: str, role: str = "run", **claims: Any) -> str:
    return Forge().token(roles=[role], tenant=tenant, sub=f"{role} of {tenant}", **claims)


def test_a_job_belongs_to_its_callers_tenant(callers: Callers) -> None:
    for name, tenant in (("red", "red"), ("blue", "blue"), ("boss", "gold")):
        job = run(callers[name], "quick")
        role = "admin" if name == "boss" else "run"
        assert (job["tenant"], job["owner"]) == (tenant, f"{role} of {tenant}")


def test_without_a_tenant_it_is_the_default(server: ServerProcess) -> None:
    with client_of(server, Forge().token(roles=["run"])) as client:
        assert run(client, "quick")["tenant"] == "default"


def test_lists_pages_and_filters_hold_ones_own_only(callers: Callers) -> None:
    for _ in range(3):
        run(callers["red"], "quick")
        run(callers["blue"], "quick")
    for name in ("red", "blue"):
        page = callers[name].get("/v1/jobs", params={"limit": 2}).json()
        assert {job["tenant"] for job in page["data"]} == {name}
        other = callers["blue" if name == "red" else "red"]
        taken_over = other.get("/v1/jobs", params={"limit": 200, "cursor": page["next_cursor"]}).json()
        assert {job["tenant"] for job in taken_over["data"]} <= {"red", "blue"} - {name}
        filtered = callers[name].get("/v1/jobs", params={"agent": "quick", "state": "completed"}).json()
        assert {job["tenant"] for job in filtered["data"]} == {name}
    all_of_them = callers["boss"].get("/v1/jobs", params={"limit": 200}).json()["data"]
    assert {"red", "blue"} <= {job["tenant"] for job in all_of_them}


def test_a_key_is_of_its_tenant(callers: Callers) -> None:
    def answer(name: str, text: str) -> httpx2.Response:
        return callers[name].post(
            "/v1/jobs", json={"agent": "quick", "input": text}, headers={"Idempotency-Key": "the same"}
        )

    red, blue = answer("red", "mine"), answer("blue", "another body")
    assert (red.status_code, blue.status_code) == (202, 202)
    assert red.json()["id"] != blue.json()["id"]
    again = answer("red", "mine")
    assert again.json()["id"] == red.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    assert_refused(answer("red", "another body"), "idempotency_mismatch")


def test_the_counts_of_agents_are_ones_own(callers: Callers) -> None:
    callers["boss"].post("/v1/coord/queues/idle/pause").raise_for_status()
    jobs = [spawn(callers["red"], "idle") for _ in range(3)]

    def pending(name: str) -> int:
        count: int = callers[name].get("/v1/agents/idle").json()["pending"]
        return count

    assert (pending("red"), pending("blue"), pending("boss")) == (3, 0, 3)
    for job in jobs:
        assert_refused(callers["blue"].post(f"/v1/jobs/{job['id']}/cancel"), "job_not_found")
        assert callers["boss"].post(f"/v1/jobs/{job['id']}/cancel").status_code == 200
    callers["boss"].post("/v1/coord/queues/idle/resume").raise_for_status()


def test_a_job_that_is_not_ones_own_looks_like_one_that_is_not_there(callers: Callers) -> None:
    job = run(callers["red"], "quick")
    missing = job["id"][:-1] + ("0" if job["id"][-1] != "0" else "1")
    for path in ("", "/wait", "/events"):
        told = [callers["blue"].get(f"/v1/jobs/{each}{path}") for each in (job["id"], missing)]
        errors = [assert_refused(answer, "job_not_found") for answer in told]
        texts = [error["message"].replace(job["id"], "ID").replace(missing, "ID") for error in errors]
        assert texts[0] == texts[1]


def test_an_admin_retries_in_the_jobs_tenant(callers: Callers) -> None:
    job = run(callers["red"], "quick")
    assert_refused(callers["blue"].post(f"/v1/jobs/{job['id']}/retry"), "job_not_found")
    again = callers["boss"].post(f"/v1/jobs/{job['id']}/retry").json()
    assert (again["tenant"], again["retry_of"]) == ("red", job["id"])
    assert ended(callers["red"], again["id"])["state"] == "completed"


def test_a_stream_holds_ones_own_and_what_is_nobodys(server: ServerProcess, callers: Callers) -> None:
    mine, others = run(callers["red"], "quick"), run(callers["blue"], "quick")
    callers["boss"].post("/v1/coord/queues/idle/pause").raise_for_status()
    callers["boss"].post("/v1/coord/queues/idle/resume").raise_for_status()
    with event_stream(server, headers=bearer(token_of("red", "read")), after=0) as reader:
        reader.until_type("queue.resumed")
        # Live, behind what was kept.
        live_others, live_mine = run(callers["blue"], "quick"), run(callers["red"], "quick")
        reader.until(
            lambda frame: frame.event == "job.completed" and frame.data["subject"] == live_mine["id"]
        )
        seen = [frame.data for frame in reader.frames]
    assert {event.get("tenant") for event in seen} == {"red", None}
    subjects = {event.get("subject") for event in seen}
    assert {mine["id"], live_mine["id"]} <= subjects
    assert not {others["id"], live_others["id"]} & subjects
    with event_stream(server, headers=bearer(token_of("gold", "admin")), after=0) as reader:
        reader.until(lambda frame: frame.data.get("subject") == live_others["id"])


def of(job_id: str) -> Callable[[StreamFrame], bool]:
    return lambda frame: frame.data.get("subject") == job_id


def test_no_parameter_widens_a_stream(server: ServerProcess, callers: Callers) -> None:
    others = run(callers["blue"], "quick")
    headers = bearer(token_of("red", "read"))
    with event_stream(server, headers=headers, after=0, job_id=others["id"]) as reader:
        # Two heartbeats: what was kept has been read by then.
        reader.until_comment(2)
        assert reader.frames == []
    for parameters in ({"agent": "quick"}, {"types": "job.completed"}):
        with event_stream(server, headers=headers, after=0, **parameters) as reader:
            mine = run(callers["red"], "quick")["id"]
            reader.until(of(mine))
            assert {frame.data.get("tenant") for frame in reader.frames} == {"red"}


def test_a_ticket_is_good_once_and_for_its_taker_only(server: ServerProcess, callers: Callers) -> None:
    theirs = run(callers["red"], "quick")

    def ticket(name: str) -> str:
        taken = callers[name].post("/v1/events/tickets")
        assert taken.status_code == 201
        value: str = taken.json()["ticket"]
        return value

    with server.client() as browser:
        used = ticket("red")
        path = f"/v1/jobs/{theirs['id']}/events"
        assert browser.get(path, params={"ticket": used}).status_code == 200
        refused = browser.get(path, params={"ticket": used})
        assert_refused(refused, "unauthenticated")
        assert refused.headers["www-authenticate"] == "Bearer"
        assert_refused(browser.get(path, params={"ticket": ticket("blue")}), "job_not_found")
        # A ticket wins over a header: it is what the caller chose to show.
        both = browser.get(path, params={"ticket": ticket("blue")}, headers=bearer(token_of("red")))
        assert_refused(both, "job_not_found")
        # It opens streams and nothing else.
        assert_refused(browser.get("/v1/jobs", params={"ticket": ticket("red")}), "unauthenticated")
    with event_stream(server, ticket=ticket("blue"), after=0) as reader:
        live = run(callers["blue"], "quick")
        reader.until(lambda frame: frame.data.get("subject") == live["id"])
        assert "red" not in {frame.data.get("tenant") for frame in reader.frames}


@pytest.mark.parametrize("by_ticket", [False, True])
def test_a_stream_breaks_off_when_its_token_expires(server: ServerProcess, by_ticket: bool) -> None:
    token = token_of("red", "read", exp=int(time.time()) + SOON_SECONDS)
    with server.client() as client:
        parameters, headers = {}, bearer(token)
        if by_ticket:
            ticket = client.post("/v1/events/tickets", headers=headers).json()["ticket"]
            parameters, headers = {"ticket": ticket}, {}
        with client.stream(
            "GET", "/v1/events", params=parameters, headers=headers, timeout=DEADLINE_SECONDS
        ) as stream:
            assert stream.status_code == 200
            text = "".join(stream.iter_text())
        # No `stream.end`: the contract has that mean to reconnect, and then the token is refused.
        assert "stream.end" not in text
        assert_refused(client.get("/v1/events", headers=bearer(token)), "token_expired")
        gauge = client.get("/metrics").text
    assert "airboss_event_subscribers 0.0" in gauge


def test_a_job_goes_on_when_its_token_expires(server: ServerProcess, callers: Callers) -> None:
    token = token_of("red", exp=int(time.time()) + SOON_SECONDS)
    callers["boss"].post("/v1/coord/queues/idle/pause").raise_for_status()
    with client_of(server, token) as client:
        job = spawn(client, "idle")
        with client.stream(
            "GET", f"/v1/jobs/{job['id']}/events", headers={"Accept": "text/event-stream"}
        ) as stream:
            assert "job.spawned" in "".join(stream.iter_text())
        assert_refused(client.get(f"/v1/jobs/{job['id']}"), "token_expired")
    callers["boss"].post("/v1/coord/queues/idle/resume").raise_for_status()
    assert ended(callers["red"], job["id"])["state"] == "completed"
