"""The main job: spawn over HTTP, a real loop with real tools, the answer and its events."""

from tests.support.server import ServerProcess


def test_a_job_runs_to_its_answer(shared_server: ServerProcess) -> None:
    with shared_server.client() as client:
        answer = client.post(
            "/v1/jobs",
            json={"agent": "offline", "input": "What stops the work?"},
            headers={"Prefer": "wait=30"},
        )
        assert answer.status_code == 200, answer.text
        job = answer.json()
        assert job["state"] == "completed"
        assert "notes.md:2: A cancel stops the work of a running job." in job["output"]
        assert "not a language model" in job["output"]
        page = client.get(job["links"]["events"], params={"limit": 200}).json()
    types = [event["type"] for event in page["data"]]
    assert types[:2] == ["job.spawned", "job.started"]
    assert types[-1] == "job.completed"
    assert types.count("tool.called") == types.count("tool.answered") == 2
    assert "output.delta" in types
