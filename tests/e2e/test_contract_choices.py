"""Choices of docs/contract-notes.md that no other test shows."""

from collections.abc import Iterator

import httpx2
import pytest
from tests.support.server import ServerProcess

JOB = {"agent": "offline", "input": "What is here?"}


@pytest.fixture
def client(shared_server: ServerProcess) -> Iterator[httpx2.Client]:
    with shared_server.client() as client:
        yield client


@pytest.fixture
def events_path(client: httpx2.Client) -> str:
    """The events of a job that has ended."""
    job = client.post("/v1/jobs", json=JOB, headers={"Prefer": "wait=30"}).json()
    assert job["state"] == "completed"
    return str(job["links"]["events"])


def test_a_ticket_is_made(client: httpx2.Client) -> None:
    assert client.post("/v1/events/tickets").status_code == httpx2.codes.CREATED


def test_a_browser_is_sent_to_the_dashboard(client: httpx2.Client) -> None:
    answer = client.get("/", headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"]) == (302, "/ui/")
    assert client.get("/", headers={"Accept": "*/*"}).json()["name"] == "airboss"


@pytest.mark.parametrize("behind", [0, 1, 1_000_000])
def test_a_stream_behind_the_final_event_ends_at_once(
    client: httpx2.Client, events_path: str, behind: int
) -> None:
    last = int(client.get(events_path, params={"limit": 200}).json()["data"][-1]["id"])
    # Events of others stand behind it: the stream has to look whether one of them is its own.
    client.post("/v1/jobs", json=JOB, headers={"Prefer": "wait=60"}).raise_for_status()
    headers = {"Accept": "text/event-stream", "Last-Event-ID": str(last + behind)}
    answer = client.get(events_path, headers=headers, timeout=5)
    assert answer.text == 'retry: 3000\n\nevent: stream.end\ndata: {"reason":"final"}\n\n'


def test_a_cursor_wins_over_after(client: httpx2.Client, events_path: str) -> None:
    first = client.get(events_path, params={"limit": 2}).json()
    both = {"limit": 2, "cursor": first["next_cursor"], "after": 0}
    without = {"limit": 2, "cursor": first["next_cursor"]}
    assert client.get(events_path, params=both).json() == client.get(events_path, params=without).json()


def test_metrics_beyond_the_contract(client: httpx2.Client) -> None:
    scrape = client.get("/metrics").text
    for name in ("airboss_http_request_seconds", "airboss_queue_capacity", "airboss_loop_lag_seconds"):
        assert f"# TYPE {name} " in scrape


def test_parameters_are_looked_at_before_the_body(client: httpx2.Client) -> None:
    answer = client.post("/v1/jobs?nonsense=1", content=b"{", headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid_parameter")


@pytest.mark.parametrize(
    "query", [{"job_id": "019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a"}, {"agent": "nobody"}], ids=str
)
def test_a_stream_of_what_is_not_known_is_empty(client: httpx2.Client, query: dict[str, str]) -> None:
    with client.stream("GET", "/v1/events", params=query | {"after": "0"}, timeout=5) as answer:
        assert answer.status_code == httpx2.codes.OK
        assert next(answer.iter_text()) == "retry: 3000\n\n"
