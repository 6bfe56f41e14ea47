"""Who may do what: every route of the document, with every kind of caller."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import run
from tests.support.auth_servers import client_as, client_of, jwt_server
from tests.support.envelope import assert_refused
from tests.support.server import ServerProcess
from tests.support.tokens import Forge

METHODS = ("get", "post", "put", "delete", "patch")
ROLES = ("read", "run", "admin")
STRANGERS = {"no token": None, "a bad token": "x.y.z"}
#: Open to everyone, as the contract has it; those that the document leaves out stand in OPEN_PAGES.
OPEN = {"/", "/health/live", "/health/ready", "/metrics"}
OPEN_PAGES = (
    "/docs",
    "/openapi.json",
    "/ui/",
    "/ui/spawn",
    "/ui/jobs/019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a",
    "/ui/providers",
    "/ui/mcp",
    "/ui/nodes",
)
#: What only an admin may read.
ADMINS = ("/v1/audit",)
MIN_ROUTES = 25


@dataclass(frozen=True)
class Route:
    method: str
    path: str
    operation: dict[str, Any]

    @property
    def rule(self) -> str:
        rule: str = self.operation["x-airboss-rule"]
        return rule

    @property
    def takes_ticket(self) -> bool:
        return bool(self.operation.get("x-airboss-ticket"))

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.path}"


def weakest_role(route: Route) -> str:
    """Say from the contract, and not from the code, which role a route needs."""
    if route.path in OPEN:
        return "open"
    if route.path.startswith(ADMINS):
        return "admin"
    if route.method == "get" or route.path == "/v1/events/tickets":
        return "read"
    return "run" if route.path.startswith("/v1/jobs") else "admin"


def includes(role: str, needed: str) -> bool:
    return needed == "open" or ROLES.index(role) >= ROLES.index(needed)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with jwt_server(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture(scope="module")
def routes(server: ServerProcess) -> list[Route]:
    with server.client() as client:
        document = client.get("/openapi.json").json()
    found = [
        Route(method, path, item[method])
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]
    assert len(found) >= MIN_ROUTES
    return found


@pytest.fixture(scope="module")
def names(server: ServerProcess) -> dict[str, str]:
    """Return what stands for the parameters in paths: things that are there."""
    with client_as(server, "run") as client:
        job = run(client, "quick")
    with client_as(server, "admin") as client:
        node = client.get("/v1/coord/nodes").json()["data"][0]
    return {"job_id": job["id"], "agent": "idle", "node_id": node["id"]}


def status_of(client: httpx2.Client, route: Route, names: dict[str, str], **options: Any) -> httpx2.Response:
    """Ask a route; of a stream only the head is read."""
    values = {"name": "offline" if "providers" in route.path else "quick", **names}
    path = route.path.format_map(values) if "{" in route.path else route.path
    if path.endswith("/wait"):
        options["params"] = {"timeout_seconds": 0}
    with client.stream(route.method, path, **options) as answer:
        if not answer.headers.get("content-type", "").startswith("text/event-stream"):
            answer.read()
        return answer


def test_every_route_asks_for_the_role_that_the_contract_says(routes: list[Route]) -> None:
    told = {str(route): route.rule for route in routes}
    mcp = {str(route) for route in routes if route.path.startswith("/v1/mcp") and route.method == "get"}
    expected = {str(route): weakest_role(route) for route in routes}
    # Whether a reader sees how MCP servers are set up is not said by the contract.
    assert {name: role for name, role in told.items() if name not in mcp} == {
        name: role for name, role in expected.items() if name not in mcp
    }
    assert all(told[name] in ("read", "admin") for name in mcp)


def test_the_document_tells_the_rule_as_security(server: ServerProcess, routes: list[Route]) -> None:
    with server.client() as client:
        schemes = client.get("/openapi.json").json()["components"]["securitySchemes"]
    assert schemes["bearer"]["type"] == "http"
    assert schemes["bearer"]["scheme"] == "bearer"
    assert (schemes["ticket"]["in"], schemes["ticket"]["name"]) == ("query", "ticket")
    for route in routes:
        needs: list[dict[str, list[str]]] = [] if route.rule == "open" else [{"bearer": [route.rule]}]
        if route.takes_ticket:
            needs.append({"ticket": []})
        assert route.operation["security"] == needs, str(route)
        if route.rule != "open":
            assert {"401", "403"} <= set(route.operation["responses"]), str(route)


def test_every_route_with_every_caller(
    server: ServerProcess, routes: list[Route], names: dict[str, str]
) -> None:
    asked = 0
    for caller, token in STRANGERS.items():
        with client_of(server, token) as client:
            for route in routes:
                answer = status_of(client, route, names)
                asked += 1
                if route.rule == "open":
                    assert answer.status_code < 400, (caller, str(route))
                else:
                    assert_refused(answer, "unauthenticated")
                    assert answer.headers["www-authenticate"] == "Bearer"
    with client_of(server, Forge().token(roles=["auditor"])) as client:
        for route in routes:
            answer = status_of(client, route, names)
            asked += 1
            if route.rule != "open":
                assert_refused(answer, "forbidden")
    for role in ROLES:
        with client_as(server, role) as client:
            for route in routes:
                # Without a body: what is refused for its body was let in before.
                answer = status_of(client, route, names)
                asked += 1
                if includes(role, route.rule):
                    assert answer.status_code not in (401, 403), (role, str(route), answer.text)
                    assert answer.status_code < 500, (role, str(route))
                else:
                    assert_refused(answer, "forbidden")
    assert asked == len(routes) * 6
    print(f"{len(routes)} routes, {asked} requests")  # noqa: T201 - a figure of docs/security.md


def test_a_stranger_learns_nothing_of_parameters(server: ServerProcess) -> None:
    query = {"nonsense": "1"}
    with client_of(server, None) as client:
        assert_refused(client.get("/v1/jobs", params=query), "unauthenticated")
        assert_refused(client.post("/v1/jobs", params=query, content=b"{"), "unauthenticated")
    with client_as(server, "read") as client:
        assert_refused(client.post("/v1/jobs", params=query), "forbidden")
        assert_refused(client.get("/v1/jobs", params=query), "invalid_parameter")


def test_another_tenant_finds_no_job(
    server: ServerProcess, routes: list[Route], names: dict[str, str]
) -> None:
    of_jobs = [route for route in routes if "{job_id}" in route.path]
    assert len(of_jobs) >= 5
    for role in ("read", "run"):
        with client_as(server, role, "blue") as client:
            for route in of_jobs:
                for accept in ("application/json", "text/event-stream"):
                    answer = status_of(client, route, names, headers={"Accept": accept})
                    assert_refused(answer, "job_not_found" if includes(role, route.rule) else "forbidden")
    with client_as(server, "admin", "blue") as client:
        for route in of_jobs:
            assert status_of(client, route, names).status_code != 404, str(route)


def test_head_asks_for_what_get_asks_for(
    server: ServerProcess, routes: list[Route], names: dict[str, str]
) -> None:
    with server.client() as client:
        for route in routes:
            if route.method == "get":
                head = Route("head", route.path, route.operation)
                assert status_of(client, head, names).status_code == (200 if route.rule == "open" else 401)


@pytest.mark.parametrize("path", OPEN_PAGES)
def test_pages_without_data_are_open(server: ServerProcess, path: str) -> None:
    with server.client() as client:
        assert client.get(path).status_code == 200


def test_the_assets_of_the_dashboard_are_open(server: ServerProcess) -> None:
    with server.client() as client:
        page = client.get("/ui/").text
        assets = {part.split('"')[0] for part in page.split('"/ui/assets/')[1:]}
        assert assets
        for name in assets:
            assert client.get(f"/ui/assets/{name}").status_code == 200


def test_metrics_can_be_closed(server: ServerProcess, tmp_path: Any) -> None:
    with jwt_server(tmp_path / "closed", settings={"server": {"metrics_public": False}}) as closed:
        with closed.client() as client:
            assert_refused(client.get("/metrics"), "unauthenticated")
            operation = client.get("/openapi.json").json()["paths"]["/metrics"]["get"]
            assert operation["security"] == [{"bearer": ["read"]}]
        with client_as(closed, "read") as client:
            assert client.get("/metrics").text.startswith("#")
