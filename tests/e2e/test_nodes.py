"""Taking this node out of service and back, over HTTP."""

from pathlib import Path

from tests.support.server import running_server


def test_a_node_is_drained_and_resumed(folder: Path) -> None:
    with running_server(folder) as server, server.client() as client:
        (node,) = client.get("/v1/coord/nodes").json()["data"]
        assert (node["state"], node["slots"], node["running"]) == ("active", 16, 0)
        drained = client.post(f"/v1/coord/nodes/{node['id']}/drain")
        assert (drained.status_code, drained.json()["state"]) == (200, "draining")
        ready = client.get("/health/ready")
        assert (ready.status_code, ready.json()["checks"]["draining"]["ok"]) == (503, False)
        refused = client.post("/v1/jobs", json={"agent": "offline", "input": "x"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "draining")
        assert int(refused.headers["retry-after"]) >= 1
        resumed = client.post(f"/v1/coord/nodes/{node['id']}/resume")
        assert (resumed.status_code, resumed.json()["state"]) == (200, "active")
        assert client.get("/health/ready").status_code == 200
        done = client.post("/v1/jobs", json={"agent": "offline", "input": "x"}, headers={"Prefer": "wait=30"})
        assert done.json()["state"] == "completed"
        unknown = client.post("/v1/coord/nodes/node-000000/drain")
        assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_node")
