"""The OpenAPI document: valid, with examples, and true."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.support.api_jobs import run, spawn
from tests.support.server import ServerProcess

_METHODS = ("get", "post", "put", "delete", "patch")
_CHECKS = [
    not_a_server_error,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
]
_URI = "urn:airboss:openapi"


@pytest.fixture(scope="module")
def document(busy_server: ServerProcess) -> dict[str, Any]:
    with busy_server.client() as client:
        found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield method, path, item[method]


def _validator(document: dict[str, Any], pointer: str) -> Draft202012Validator:
    resource = Resource.from_contents(document, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource(_URI, resource)
    return Draft202012Validator({"$ref": f"{_URI}#{pointer}"}, registry=registry)


def _escape(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def _schema_pointer(method: str, path: str, status: int) -> str:
    return f"/paths/{_escape(path)}/{method}/responses/{status}/content/application~1json/schema"


def test_it_is_openapi_3_1_with_valid_schemas(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] == "Airboss"
    assert document["info"]["version"]
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
    identifiers = [operation["operationId"] for _, _, operation in _operations(document)]
    assert len(identifiers) == len(set(identifiers))


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    for reference in {part.split('"')[0] for part in text.split('"$ref": "')[1:]}:
        found: Any = document
        for key in reference.removeprefix("#/").split("/"):
            found = found[key]


def test_every_route_of_this_version_is_there(document: dict[str, Any]) -> None:
    routes = {(method.upper(), path) for method, path, _ in _operations(document)}
    assert routes >= {
        ("GET", "/"),
        ("POST", "/v1/jobs"),
        ("GET", "/v1/jobs"),
        ("GET", "/v1/jobs/{job_id}"),
        ("GET", "/v1/jobs/{job_id}/wait"),
        ("POST", "/v1/jobs/{job_id}/cancel"),
        ("POST", "/v1/jobs/{job_id}/retry"),
        ("GET", "/v1/jobs/{job_id}/events"),
        ("GET", "/v1/events"),
        ("POST", "/v1/events/tickets"),
        ("GET", "/v1/agents"),
        ("GET", "/v1/agents/{name}"),
        ("GET", "/v1/coord/queues"),
        ("POST", "/v1/coord/queues/{agent}/pause"),
        ("POST", "/v1/coord/queues/{agent}/resume"),
        ("GET", "/health/live"),
        ("GET", "/health/ready"),
        ("GET", "/metrics"),
    }


def test_every_operation_says_what_it_is_and_has_a_rule(document: dict[str, Any]) -> None:
    for method, path, operation in _operations(document):
        assert operation["summary"], (method, path)
        assert operation["x-airboss-rule"] in ("open", "read", "run", "admin"), (method, path)


def test_every_body_has_an_example_that_is_valid(document: dict[str, Any]) -> None:
    for method, path, operation in _operations(document):
        bodies = {f"responses/{status}": answer for status, answer in operation["responses"].items()}
        if "requestBody" in operation:
            bodies["requestBody"] = operation["requestBody"]
        for place, body in bodies.items():
            for media_type, content in body.get("content", {}).items():
                examples = list(_examples(document, content))
                assert examples, (method, path, place, media_type)
                if media_type == "application/json":
                    pointer = f"/paths/{_escape(path)}/{method}/{place}/content/application~1json/schema"
                    for example in examples:
                        _validator(document, pointer).validate(example)


def _examples(document: dict[str, Any], content: dict[str, Any]) -> Iterator[Any]:
    if "example" in content:
        yield content["example"]
    yield from (example["value"] for example in content.get("examples", {}).values())
    schema = content.get("schema", {})
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    yield from schema.get("examples", ())


def _answers(client: httpx2.Client) -> Iterator[tuple[str, str, httpx2.Response]]:
    """Make each operation answer in each way it can be made to."""
    done, pending = run(client, "tool"), spawn(client, "idle", metadata={"a": 1})
    job = "/v1/jobs/{job_id}"
    yield "get", "/", client.get("/")
    yield "post", "/v1/jobs", client.post("/v1/jobs", json={"agent": "quick", "input": "x"})
    waited = client.post("/v1/jobs", json={"agent": "quick", "input": 1}, headers={"Prefer": "wait=20"})
    yield "post", "/v1/jobs", waited
    yield "post", "/v1/jobs", client.post("/v1/jobs", json={"agent": "no", "input": "x"})
    yield "post", "/v1/jobs", client.post("/v1/jobs", json={"input": "x"})
    yield (
        "post",
        "/v1/jobs",
        client.post("/v1/jobs", content=b"{", headers={"Content-Type": "application/json"}),
    )
    yield "get", "/v1/jobs", client.get("/v1/jobs")
    yield "get", "/v1/jobs", client.get("/v1/jobs", params={"limit": 0})
    failed = run(client, "status-500")
    for each in (done, pending, failed):
        yield "get", job, client.get(each["links"]["self"])
        yield "get", f"{job}/events", client.get(each["links"]["events"], params={"limit": 2})
    yield "get", f"{job}/wait", client.get(f"{pending['links']['self']}/wait", params={"timeout_seconds": 0})
    for suffix in ("", "/wait", "/events"):
        yield "get", job + suffix, client.get(f"/v1/jobs/none{suffix}")
    yield "post", f"{job}/retry", client.post(f"{pending['links']['self']}/retry")
    yield "post", f"{job}/retry", client.post(f"{done['links']['self']}/retry")
    yield "post", f"{job}/cancel", client.post(pending["links"]["cancel"])
    yield "post", f"{job}/cancel", client.post(done["links"]["cancel"])
    yield "post", "/v1/events/tickets", client.post("/v1/events/tickets")
    yield "get", "/v1/agents", client.get("/v1/agents")
    yield "get", "/v1/agents/{name}", client.get("/v1/agents/quick")
    yield "get", "/v1/agents/{name}", client.get("/v1/agents/none")
    yield "get", "/v1/coord/queues", client.get("/v1/coord/queues")
    for action in ("pause", "resume"):
        path = f"/v1/coord/queues/{{agent}}/{action}"
        yield "post", path, client.post(path.replace("{agent}", "quick"))
        yield "post", path, client.post(path.replace("{agent}", "none"))
    yield "get", "/health/live", client.get("/health/live")
    yield "get", "/health/ready", client.get("/health/ready")


def test_every_answer_is_as_its_schema_says(client: httpx2.Client, document: dict[str, Any]) -> None:
    for method, path, answer in _answers(client):
        declared = document["paths"][path][method]["responses"]
        assert str(answer.status_code) in declared, (method, path, answer.status_code)
        validator = _validator(document, _schema_pointer(method, path, answer.status_code))
        validator.validate(answer.json())


def test_schemas_of_answers_are_closed_enough_to_mean_something(document: dict[str, Any]) -> None:
    for name in ("JobDocument", "JobSummaryDocument", "AgentDocument", "QueueDocument", "ErrorBody"):
        schema = document["components"]["schemas"][name]
        assert set(schema["required"]) == set(schema["properties"]), name


def test_generated_requests_break_nothing(busy_server: ServerProcess) -> None:
    """Bounded and derandomised: this is a net, the search with more time is elsewhere."""
    schema = schemathesis.openapi.from_url(
        f"{busy_server.url}/openapi.json", config=schemathesis.Config(seed=1)
    )
    tried = 0
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]
        # A stream does not end by itself, and a pause would be felt by the tests behind this one.
        if operation.path == "/v1/events" or operation.path.endswith("/pause"):
            continue
        tried += 1
        given(case=operation.as_strategy())(_attack)()
    assert tried >= 16


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def _attack(case: Any) -> None:
    # Waits that are granted would be waited for.
    (case.query or {}).pop("timeout_seconds", None)
    (case.headers or {}).pop("Prefer", None)
    case.call_and_validate(checks=_CHECKS, timeout=20)
