"""Server-sent events: form, filters, replay, ends, tickets."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import run, spawn
from tests.support.envelope import assert_refused
from tests.support.event_reader import event_stream
from tests.support.fake_provider import ANSWER, FakeProvider
from tests.support.server import ServerProcess

_JOB_FIELDS = {"job_id", "agent", "attempt", "correlation_id"}
_TICKET = re.compile(r"[A-Za-z0-9_-]{20,}")


def _page(client: httpx2.Client, job: dict[str, Any], **parameters: Any) -> dict[str, Any]:
    page: dict[str, Any] = client.get(job["links"]["events"], params={"limit": 200, **parameters}).json()
    return page


def test_frames_have_exactly_the_form_of_the_contract(
    client: httpx2.Client, busy_server: ServerProcess
) -> None:
    job = run(client, "quick")
    with event_stream(busy_server, job["links"]["events"]) as events:
        events.until_end()
    assert events.response.headers["cache-control"] == "no-store"
    assert "content-encoding" not in events.response.headers
    first, second, *_ = events.raw.split("\n\n")
    assert first == "retry: 3000"
    frame = events.frames[0]
    document = frame.data
    assert list(document) == [
        "specversion", "id", "source", "type", "subject", "time", "datacontenttype", "tenant", "data",
    ]  # fmt: skip
    assert second.startswith(f"id: {frame.id}\nevent: job.spawned\ndata: {{")
    assert re.fullmatch(r"airboss/[\w.-]+", document["source"])
    assert document["specversion"] == "1.0"
    assert document["subject"] == job["id"]
    assert document["datacontenttype"] == "application/json"
    assert document["tenant"] == "default"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", document["time"])
    assert document["data"] == {
        "job_id": job["id"],
        "agent": "quick",
        "attempt": 0,
        "correlation_id": job["correlation_id"],
        "priority": 5,
    }
    assert events.raw.endswith('event: stream.end\ndata: {"reason":"final"}\n\n')
    assert "\r" not in events.raw


def test_every_event_of_a_run_with_a_tool_carries_its_fields(
    client: httpx2.Client, busy_server: ServerProcess
) -> None:
    job = run(client, "tool")
    assert job["output"] == ANSWER
    assert job["usage"]["requests"] == 2
    with event_stream(busy_server, job["links"]["events"]) as events:
        frames = events.until_end()[:-1]
    assert events.ids == sorted(set(events.ids))
    data = {frame.event: frame.data["data"] for frame in frames}
    expected = {
        "job.spawned": {"priority"},
        "job.started": {"queue_wait_seconds", "resumed_steps"},
        "model.called": {"provider", "model", "step"},
        "model.answered": {
            "provider",
            "model",
            "step",
            "usage",
            "duration_seconds",
            "replayed",
            "finish_reason",
        },
        "tool.called": {"tool", "call_id", "step"},
        "tool.answered": {"tool", "call_id", "step", "duration_seconds", "preview", "replayed"},
        "output.delta": {"text", "step", "offset"},
        "job.completed": {"duration_seconds", "usage", "output_preview"},
    }
    assert set(data) == set(expected)
    for kind, fields in expected.items():
        assert set(data[kind]) == fields | _JOB_FIELDS, kind
    assert data["job.started"]["attempt"] == data["job.completed"]["attempt"] == 1
    assert data["tool.called"]["tool"] == "files.list"
    assert (data["model.answered"]["finish_reason"], data["model.answered"]["replayed"]) == ("stop", False)
    deltas = [frame.data["data"] for frame in frames if frame.event == "output.delta"]
    assert "".join(delta["text"] for delta in deltas) == ANSWER
    assert [delta["offset"] for delta in deltas] == [
        len("".join(other["text"] for other in deltas[:index])) for index in range(len(deltas))
    ]
    times = [datetime.fromisoformat(frame.data["time"]) for frame in frames]
    assert times == sorted(times)


def test_many_pieces_are_coalesced_and_lose_nothing(client: httpx2.Client) -> None:
    job = run(client, "flood")
    texts = [event["data"]["text"] for event in _page(client, job)["data"] if event["type"] == "output.delta"]
    assert "".join(texts) == job["output"]
    assert len(texts) < 250


def test_a_stream_starts_now(client: httpx2.Client, busy_server: ServerProcess) -> None:
    before = run(client, "quick")
    with event_stream(busy_server) as events:
        job = run(client, "quick")
        frames = events.until(lambda frame: frame.event == "job.completed")
    assert {frame.data["subject"] for frame in frames} == {job["id"]}
    assert before["id"] not in events.raw


def test_after_0_begins_at_the_oldest_kept(client: httpx2.Client, busy_server: ServerProcess) -> None:
    with event_stream(busy_server, after=0) as events:
        frame = events.next()
    assert frame.event == "node.joined"
    assert frame.data["data"] == {"node": frame.data["data"]["node"]}
    assert "tenant" not in frame.data
    assert "subject" not in frame.data


@pytest.mark.parametrize("way", ["Last-Event-ID", "after"])
def test_a_reader_resumes_behind_any_event(
    client: httpx2.Client, busy_server: ServerProcess, way: str
) -> None:
    job = run(client, "tool")
    ids = [int(event["id"]) for event in _page(client, job)["data"]]
    for index, after in enumerate(ids[:-1]):
        headers = {way: str(after)} if way == "Last-Event-ID" else {}
        parameters: dict[str, Any] = {} if headers else {"after": after}
        with event_stream(busy_server, job["links"]["events"], headers, **parameters) as events:
            events.until_end()
        assert events.ids == ids[index + 1 :]
        with event_stream(busy_server, "/v1/events", headers, job_id=job["id"], **parameters) as events:
            events.until_type("job.completed")
        assert events.ids == ids[index + 1 :]


def test_last_event_id_counts_more_than_after(client: httpx2.Client, busy_server: ServerProcess) -> None:
    job = run(client, "quick")
    ids = [int(event["id"]) for event in _page(client, job)["data"]]
    with event_stream(busy_server, job["links"]["events"], {"Last-Event-ID": str(ids[1])}, after=0) as events:
        events.until_end()
    assert events.ids == ids[2:]


def test_a_reader_that_reconnects_all_the_time_sees_each_event_once(
    client: httpx2.Client, busy_server: ServerProcess
) -> None:
    with event_stream(busy_server) as events:
        first = spawn(client, "quick")
        events.until_type("job.spawned")
    position = events.ids[-1]
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(run, client, "tool") for _ in range(8)]
        seen: list[int] = []
        ends = 0
        while ends < 9:
            with event_stream(busy_server, after=position) as events:
                for _ in range(7):
                    ends += events.next().event == "job.completed"
                    if ends == 9:
                        break
            seen += events.ids
            position = seen[-1]
        jobs = [future.result() for future in running]
    assert seen == sorted(set(seen))
    expected = [int(event["id"]) for job in (first, *jobs) for event in _page(client, job)["data"]]
    # The first event of the first job was read before.
    assert seen == sorted(expected)[1:]


def test_filters_by_type_agent_and_job(client: httpx2.Client, busy_server: ServerProcess) -> None:
    with event_stream(busy_server) as events:
        start = spawn(client, "idle")
        after = events.until_type("job.spawned")[-1].id
    assert after is not None
    quick, tool = run(client, "quick"), run(client, "tool")
    client.post(start["links"]["cancel"])

    def types(**parameters: Any) -> list[str]:
        with event_stream(busy_server, after=after, **parameters) as filtered:
            filtered.until(lambda frame: frame.event in ("job.completed", "job.cancelled"))
        return [frame.event for frame in filtered.frames]

    assert types(types="job.cancelled") == ["job.cancelled"]
    assert types(types="job.spawned,job.cancelled") == ["job.spawned", "job.spawned", "job.cancelled"]
    assert types(types="tool.called, job.completed", agent="tool") == ["tool.called", "job.completed"]
    assert types(agent="idle") == ["job.cancel_requested", "job.cancelled"]
    assert set(types(job_id=quick["id"])) <= {event["type"] for event in _page(client, quick)["data"]}
    assert types(job_id=tool["id"])[-1] == "job.completed"


def test_types_may_be_given_more_than_once(client: httpx2.Client, busy_server: ServerProcess) -> None:
    job = run(client, "quick")
    with (
        busy_server.client() as other,
        other.stream(
            "GET", f"/v1/events?types=job.started&types=job.completed&after=0&job_id={job['id']}"
        ) as answer,
    ):
        text = ""
        for piece in answer.iter_text():
            text += piece
            if "event: job.completed" in text:
                break
    assert re.findall(r"event: (.*)", text) == ["job.started", "job.completed"]


def test_a_stream_after_the_end_waits_for_what_comes_next(
    client: httpx2.Client, busy_server: ServerProcess
) -> None:
    with event_stream(busy_server, after=2**62) as events:
        job = run(client, "quick")
        frames = events.until_type("job.completed")
    assert {frame.data["subject"] for frame in frames} == {job["id"]}


def test_a_job_stream_follows_a_running_job_to_its_end(
    client: httpx2.Client, busy_server: ServerProcess, provider: FakeProvider
) -> None:
    calls = provider.calls("gate")
    job = spawn(client, "gate")
    provider.wait_called("gate", calls + 1)
    with event_stream(busy_server, job["links"]["events"]) as events:
        events.until_type("model.called")
        provider.open_gate()
        events.until_end()
    assert [frame.event for frame in events.frames[-2:]] == ["job.completed", "stream.end"]


@pytest.mark.parametrize("after", [None, 1, 2**62])
def test_the_stream_of_an_ended_job_ends(
    client: httpx2.Client, busy_server: ServerProcess, after: int | None
) -> None:
    job = run(client, "quick")
    parameters: dict[str, Any] = {} if after is None else {"after": after}
    with event_stream(busy_server, job["links"]["events"], **parameters) as events:
        frames = events.until_end()
    assert frames[-1].data == {"reason": "final"}
    if after == 2**62:
        assert len(frames) == 1


def test_heartbeats_are_comments(busy_server: ServerProcess) -> None:
    with event_stream(busy_server, types="mcp.server_failed") as events:
        events.until_comment(2)


def test_a_page_of_a_jobs_events_and_its_walk(client: httpx2.Client) -> None:
    job = run(client, "tool")
    whole = _page(client, job)
    assert set(whole) == {"data", "next_cursor", "has_more"}
    assert (whole["next_cursor"], whole["has_more"]) == (None, False)
    walked: list[Any] = []
    cursor: dict[str, str] = {}
    for _ in range(100):
        page = _page(client, job, limit=2, **cursor)
        walked += page["data"]
        if not page["has_more"]:
            break
        assert len(page["data"]) == 2
        cursor = {"cursor": page["next_cursor"]}
    assert walked == whole["data"]
    after = int(whole["data"][2]["id"])
    assert _page(client, job, after=after)["data"] == whole["data"][3:]


# -- tickets ------------------------------------------------------------------------------------------------


def test_a_ticket_opens_either_stream_once(client: httpx2.Client, busy_server: ServerProcess) -> None:
    job = run(client, "quick")
    streams: list[tuple[str, dict[str, Any]]] = [("/v1/events", {"after": 0}), (job["links"]["events"], {})]
    for path, parameters in streams:
        answer = client.post("/v1/events/tickets")
        assert answer.is_success
        ticket = answer.json()
        assert set(ticket) == {"ticket", "expires_at"}
        assert _TICKET.fullmatch(ticket["ticket"])
        left = datetime.fromisoformat(ticket["expires_at"]) - datetime.fromisoformat(job["finished_at"])
        assert 25 < left.total_seconds() < 60
        assert "no-store" in answer.headers["cache-control"]
        with event_stream(busy_server, path, ticket=ticket["ticket"], **parameters) as events:
            events.next()
        again = client.get(path, params={"ticket": ticket["ticket"]}, headers={"Accept": "text/event-stream"})
        assert_refused(again, "unauthenticated")
        assert again.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("ticket", ["", "x", "\x00", "é", "a" * 128])
def test_an_unknown_ticket_is_a_401(client: httpx2.Client, ticket: str) -> None:
    answer = client.get("/v1/events", params={"ticket": ticket})
    assert_refused(answer, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_tickets_are_no_way_into_other_routes(client: httpx2.Client) -> None:
    ticket = client.post("/v1/events/tickets").json()["ticket"]
    assert_refused(client.get("/v1/jobs", params={"ticket": ticket}), "invalid_parameter")


# -- refusals -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [
        {"after": "-1"},
        {"after": "x"},
        {"after": ""},
        {"after": "1.5"},
        {"after": str(2**63)},
        {"after": "9" * 5000},
        {"types": "job.started,job.nothing"},
        {"types": "stream.end"},
        {"types": "*"},
        {"agent": "a" * 65},
        {"job_id": "a" * 65},
        {"since": "1"},
        {"limit": "5"},
        {"after": ["1", "2"]},
    ],
)
def test_parameters_out_of_form_are_a_422(client: httpx2.Client, parameters: dict[str, Any]) -> None:
    assert_refused(client.get("/v1/events", params=parameters), "invalid_parameter")


@pytest.mark.parametrize("last", ["-1", "x", "1.5", "٣", str(2**63), "9" * 5000, "1 2", "0x1"])
def test_a_last_event_id_out_of_form_is_a_422(client: httpx2.Client, last: str) -> None:
    headers = {b"Last-Event-ID": last.encode()}
    answer = client.get("/v1/events", headers=headers)
    assert_refused(answer, "invalid_parameter")


@pytest.mark.parametrize(
    "parameters", [{"cursor": "x"}, {"cursor": "ZXZlbnQ6eA"}, {"cursor": "ZXZlbnQ6LTE"}, {"cursor": "ZXZlbnQ6OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk"}, {"limit": 0}, {"limit": 201}, {"after": -1}]
)  # fmt: skip
def test_pages_of_events_refuse_what_is_out_of_form(
    client: httpx2.Client, parameters: dict[str, Any]
) -> None:
    job = run(client, "quick")
    assert_refused(client.get(job["links"]["events"], params=parameters), "invalid_parameter")


def test_one_caller_holds_a_bounded_number_of_streams(
    client: httpx2.Client, busy_server: ServerProcess
) -> None:
    with ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(event_stream(busy_server))
        answer = client.get("/v1/events")
        error = assert_refused(answer, "too_many_subscribers")
        assert error["details"] == {"max_subscribers_per_caller": 60}
        assert answer.headers["retry-after"] == "5"
