"""What operators see: probes, metrics, logs."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from prometheus_client.parser import text_string_to_metric_families
from tests.support.api_jobs import run, spawn
from tests.support.event_reader import event_stream
from tests.support.fake_provider import PROVIDER_TEXT
from tests.support.server import ServerProcess, running_server

_METRICS = {
    "airboss_jobs": {"agent", "outcome"},
    "airboss_jobs_running": {"agent"},
    "airboss_queue_depth": {"agent"},
    "airboss_queue_wait_seconds": set(),
    "airboss_job_duration_seconds": {"agent"},
    "airboss_event_subscribers": set(),
    "airboss_events_lagged": set(),
}
_OUTCOMES = {"spawned", "completed", "failed", "cancelled", "timed_out"}


def _samples(client: httpx2.Client) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def test_live_says_so(client: httpx2.Client) -> None:
    answer = client.get("/health/live")
    assert answer.status_code == 200
    assert answer.json() == {"status": "live"}


def test_ready_tells_each_check(client: httpx2.Client) -> None:
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    document = answer.json()
    assert set(document) == {"status", "checks"}
    assert document["status"] == "ready"
    assert set(document["checks"]) == {"storage", "loop_lag", "draining", "recovery", "queue"}
    for check in document["checks"].values():
        assert set(check) == {"ok", "detail"}
        assert check["ok"] is True
        assert isinstance(check["detail"], str)
        assert check["detail"]


def test_many_probes_share_a_write(busy_server: ServerProcess) -> None:
    with busy_server.client() as client, ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: client.get("/health/ready"), range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["checks"]["storage"]["detail"] for answer in answers}) <= 3


def test_metrics_have_the_names_and_labels_of_the_contract(client: httpx2.Client) -> None:
    run(client, "quick")
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    for name, labels in _METRICS.items():
        assert name in families, name
        assert families[name].documentation
        for sample in families[name].samples:
            assert set(sample.labels) - {"le"} == labels, sample
    jobs = families["airboss_jobs"]
    assert jobs.type == "counter"
    assert {sample.labels["outcome"] for sample in jobs.samples} == _OUTCOMES


def test_metrics_count_what_happened(client: httpx2.Client) -> None:
    def count(outcome: str, agent: str) -> float:
        labels = frozenset({("agent", agent), ("outcome", outcome)})
        return _samples(client)["airboss_jobs_total", labels]

    before = {outcome: count(outcome, "quick") for outcome in ("spawned", "completed")}
    cancelled, failed = count("cancelled", "idle"), count("failed", "status-400")
    run(client, "quick")
    run(client, "status-400")
    client.post(spawn(client, "idle")["links"]["cancel"])
    assert count("spawned", "quick") == before["spawned"] + 1
    assert count("completed", "quick") == before["completed"] + 1
    assert count("cancelled", "idle") == cancelled + 1
    assert count("failed", "status-400") == failed + 1


def test_gauges_show_the_moment(client: httpx2.Client, busy_server: ServerProcess) -> None:
    depth = ("airboss_queue_depth", frozenset({("agent", "idle")}))
    subscribers = ("airboss_event_subscribers", frozenset[tuple[str, str]]())
    before = _samples(client)
    spawn(client, "idle")
    with event_stream(busy_server), event_stream(busy_server):
        now = _samples(client)
    assert now[depth] == before[depth] + 1
    assert now[subscribers] == before[subscribers] + 2


def test_labels_never_come_from_callers(client: httpx2.Client) -> None:
    client.post("/v1/jobs", json={"agent": "made-up-by-a-caller", "input": "x"})
    client.request("BREW-BY-A-CALLER", "/v1/jobs")
    client.get("/made-up-by-a-caller", headers={"X-Request-ID": "made-up-by-a-caller"})
    assert "caller" not in client.get("/metrics").text.lower()


def test_logs_are_lines_of_json_that_can_be_followed(folder: Path) -> None:
    with running_server(folder) as server:
        with server.client() as client:
            job = client.post(
                "/v1/jobs",
                json={"agent": "offline", "input": "a-question-of-a-user"},
                headers={"X-Request-ID": "followed-1", "Prefer": "wait=30"},
            ).json()
            client.get("/nothing", headers={"X-Request-ID": "followed-2"})
            headers = {"X-Request-ID": "followed-3", "Content-Type": "application/json"}
            client.post("/v1/jobs", content=b"{", headers=headers)
            client.get("/health/live")
            client.get("/v1/jobs", headers={"Host": "evil.example"})
        assert server.stop() == 0
        lines = [json.loads(line) for line in server.log.splitlines()]
    for line in lines:
        assert {"event", "level", "time"} <= set(line), line
        assert line["level"] in ("debug", "info", "warning"), line
    followed = [line for line in lines if line.get("correlation_id") == "followed-1"]
    assert {"request", "job.spawned", "job.started", "job.completed"} <= {line["event"] for line in followed}
    assert {line["job_id"] for line in followed if "job_id" in line} == {job["id"]}
    requests = {line["correlation_id"]: line for line in lines if line["event"] == "request"}
    assert (requests["followed-2"]["status"], requests["followed-3"]["status"]) == (404, 400)
    assert all("correlation_id" in line for line in lines if line["event"] == "request")
    assert "a-question-of-a-user" not in server.log
    assert "Traceback" not in server.log
    assert "/health/live" not in server.log


def test_a_providers_text_reaches_no_caller(client: httpx2.Client) -> None:
    for agent in ("status-400", "status-401", "status-500", "error-200", "html"):
        job = run(client, agent)
        assert job["state"] == "failed", job
        for path in (job["links"]["self"], f"{job['links']['events']}?limit=200", "/metrics", "/v1/jobs"):
            assert PROVIDER_TEXT not in client.get(path).text, (agent, path)


def test_what_clients_do_wrong_leaves_no_traceback(busy_server: ServerProcess) -> None:
    assert "Traceback" not in busy_server.log
