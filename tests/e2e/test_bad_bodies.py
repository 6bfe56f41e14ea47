"""What is sent as a job and is none: a 4xx in the envelope, and the server serves on."""

import gzip
import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from tests.support.api_jobs import ended
from tests.support.envelope import assert_refused
from tests.support.server import ServerProcess

_JSON = {"Content-Type": "application/json"}
_MEGABYTE = 1024 * 1024


def _post(client: httpx2.Client, content: bytes) -> httpx2.Response:
    return client.post("/v1/jobs", content=content, headers=_JSON)


def _job(fields: str) -> bytes:
    """Write a body that would be a job but for `fields`; a lone surrogate stays as WTF-8."""
    return f'{{"agent":"quick","input":"x"{fields}}}'.encode("utf-8", "surrogatepass")


def _with(field: str, *values: Any) -> list[dict[str, Any]]:
    return [{"agent": "quick", "input": "x", field: value} for value in values]


@pytest.fixture(autouse=True)
def serves_on(busy_server: ServerProcess) -> Iterator[None]:
    """Whatever a test sent, a job runs to its end afterwards and nothing was logged as an error."""
    errors = busy_server.log.count('"level":"error"')
    yield
    with busy_server.client() as client:
        job = client.post("/v1/jobs", json={"agent": "quick", "input": "still there?"}).json()
        assert ended(client, job["id"])["state"] == "completed"
    assert busy_server.log.count('"level":"error"') == errors, busy_server.log[-3000:]


@pytest.mark.parametrize(
    "content",
    [
        b"\x0b",
        b" ",
        b"{",
        b"{}{}",
        b"{} trailing",
        b"nothing",
        b"'single'",
        b'{"agent":"quick","input":"x",}',
        b'{"agent":"quick" "input":"x"}',
        b'{"agent":"quick","input":"x"}\x00',
        b"\x00",
        b"\xff\xfe",
        b"\xef\xbb\xbf" + _job(""),
        _job("").decode().encode("utf-16"),
        _job("").decode().encode("utf-16-le"),
        _job("").decode().encode("utf-32"),
        b'{"agent":"quick","input":"\xff"}',
        b'{"agent":"quick","input":"\xc0\xaf"}',
        b'{"agent":"quick","input":"\xed\xa0\x80"}',
        b'{"agent":"quick","input":"a\nb"}',
        b'{"agent":"quick","input":"\\x41"}',
        b'{"agent":"quick","input":"\\ud800"}',
        b'{"agent":"quick","input":"\\udc00\\ud800"}',
        b'{"agent":"quick","input":{"\\ud800":1}}',
        b'{"agent":"quick","input":"x","metadata":{"\\udfff":1}}',
        b'{"agent":"quick","input":["ok",{"a":"\\ud83d"}]}',
        b'{"\\ud800":1}',
        b'{"agent":"quick","input":NaN}',
        b'{"agent":"quick","input":[Infinity]}',
        b'{"agent":"quick","input":{"a":-Infinity}}',
        b'{"agent":"quick","input":nan}',
        b'{"agent":"quick","input":1e999}',
        b'{"agent":"quick","input":{"a":[-1E+0999]}}',
        b'{"agent":"quick","input":1' + b"0" * 400 + b".5}",
        b'{"agent":"quick","input":"x","timeout_seconds":1e999}',
        b'{"agent":"quick","input":"x","metadata":{"a":1e0400}}',
        b'{"agent":"quick","input":0123}',
        b'{"agent":"quick","input":+1}',
        b'{"agent":"quick","input":.5}',
        b'{"agent":"quick","input":0x10}',
        b'{"agent":"quick","input":"a","input":"b"}',
        b'{"agent":"quick","input":"x","metadata":{"a":1,"a":1}}',
        b'{"agent":"quick","input":"x","metadata":{"a":1,"\\u0061":2}}',
        b'{"agent":"quick","input":' + b"[" * 65 + b"]" * 65 + b"}",
        b'{"agent":"quick","input":' + b'{"a":' * 65 + b"1" + b"}" * 65 + b"}",
        b'{"agent":"quick","input":"x","metadata":{"a":' + b"[" * 100 + b"]" * 100 + b"}}",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
        b'{"agent":"quick","input":' + b"[" * 500_000,
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_json_is_a_400(client: httpx2.Client, content: bytes) -> None:
    assert_refused(_post(client, content), "invalid_json")


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        7,
        True,
        {},
        {"agent": "quick"},
        {"input": "x"},
        {"agent": None, "input": "x"},
        {"agent": "", "input": "x"},
        {"agent": 7, "input": "x"},
        {"agent": ["quick"], "input": "x"},
        {"agent": "a" * 65, "input": "x"},
        {"agent": "quick", "input": None},
        {"agent": "quick", "input": "x", "extra": 1},
        {"agent": "quick", "input": "x", "Priority": 5},
        {"agent": "quick", "input": "x", "retry_of": "x"},
        {"agent": "quick", "input": "x", "tenant": "other"},
        *_with("priority", -1, 10, 5.5, "5", True, None, 10**30),
        *_with("timeout_seconds", 0, -1, -0.0, "60", True, [], {}, 1e300, 10**400),
        *_with("max_queue_wait_seconds", 0, -5, "1", False),
        *_with("run_at", 1_800_000_000, 1.5, True, [], {}, "", "soon", "2026-11-22", "2026-11-22T06:00:00"),
        *_with("run_at", "1800000000", "2026-13-01T00:00:00Z", "2026-11-22T25:00:00Z", "99999-01-01T00:00:00Z"),
        *_with("run_at", "2026-11-22T06:00:00+99:00", "20261122T060000Z", "2026-W47-7T06:00:00Z", "\x00", "9" * 400),
        *_with("metadata", None, [], "x", 1),
        {"agent": "quick", "input": "x", "metadata": {"a": "x" * 16 * 1024}},
        {"agent": "quick", "input": "x", "metadata": {"é" * 8200: 1}},
    ],
    ids=lambda document: repr(document)[:80],
)  # fmt: skip
def test_what_is_no_job_is_a_422(client: httpx2.Client, document: Any) -> None:
    error = assert_refused(_post(client, json.dumps(document).encode()), "invalid_body")
    assert error["details"]["problems"]


def test_no_body_at_all_is_a_422(client: httpx2.Client) -> None:
    assert_refused(_post(client, b""), "invalid_body")


def test_a_refusal_does_not_repeat_what_was_sent(client: httpx2.Client) -> None:
    secret = "hunter2-hunter2"
    for document in (
        {"agent": "quick", "input": "x", "priority": secret},
        {"agent": "quick", "input": "x", "metadata": secret},
        {"agent": "quick", "input": "x", "run_at": secret},
    ):
        assert secret not in client.post("/v1/jobs", json=document).text


def test_long_names_of_unknown_fields_are_cut(client: httpx2.Client) -> None:
    answer = client.post("/v1/jobs", json={"agent": "quick", "input": "x", "n" * 100_000: 1})
    assert_refused(answer, "invalid_body")
    assert len(answer.content) < 2000


def test_many_problems_are_told_in_a_short_answer(client: httpx2.Client) -> None:
    answer = client.post("/v1/jobs", json={f"field{number}": 1 for number in range(20_000)})
    assert_refused(answer, "invalid_body")
    assert len(answer.content) < 10_000


@pytest.mark.parametrize(
    "content",
    [
        _job(',"timeout_seconds":0.001'),
        _job(',"timeout_seconds":31622400'),
        _job(',"priority":0'),
        _job(',"priority":9'),
        _job(',"metadata":{"":"","\\u0000":"\\u0000"}'),
        _job(',"metadata":{"a":' + "[" * 60 + "]" * 60 + "}"),
        _job(',"metadata":{"a":123456789012345678901234567890}'),
        _job(',"metadata":{"a":1e308,"b":5e-324,"c":1e-999,"d":-0.0}'),
        _job(',"run_at":"2020-01-01T00:00:00Z"'),
        _job(',"run_at":"0001-01-01T00:00:00Z"'),
        _job(',"run_at":"2020-01-01t00:00:00.123456+05:30"'),
        b' \n\t{"agent":"quick","input":"\\ud83d\\ude00 \\u0000 \\u2028"} ',
        b'{"agent":"quick","input":"[[[[[[[["}',
    ],
    ids=repr,
)
def test_what_is_unusual_but_valid_is_taken(client: httpx2.Client, content: bytes) -> None:
    answer = _post(client, content)
    assert answer.status_code == 202, answer.text
    sent = json.loads(content)
    shown = client.get(answer.json()["links"]["self"]).json()
    assert shown["input"] == sent["input"]
    assert shown["metadata"] == sent.get("metadata", {})


def test_metadata_of_exactly_16_kilobytes_is_taken(client: httpx2.Client) -> None:
    room = 16 * 1024 - len('{"a":""}')
    assert client.post(
        "/v1/jobs", json={"agent": "quick", "input": "x", "metadata": {"a": "x" * room}}
    ).is_success
    over = {"agent": "quick", "input": "x", "metadata": {"a": "x" * (room + 1)}}
    assert_refused(client.post("/v1/jobs", json=over), "invalid_body")


@pytest.mark.parametrize("name", ["far-future", "9999"])
def test_the_latest_moments_do_no_harm(client: httpx2.Client, name: str) -> None:
    moment = {"far-future": "2999-01-01T00:00:00Z", "9999": "9999-12-31T23:59:59.999Z"}[name]
    answer = client.post("/v1/jobs", json={"agent": "quick", "input": "x", "run_at": moment})
    assert answer.status_code in (202, 422), answer.text
    if answer.status_code == 202:
        shown = client.get(answer.json()["links"]["self"])
        assert shown.status_code == 200
        assert shown.json()["state"] == "pending"
        assert client.post(shown.json()["links"]["cancel"]).status_code == 200


@pytest.mark.parametrize(
    ("name", "nearest"), [("quikc", "quick"), ("Quick", "quick"), ("tol", "tool"), ("status-40", "status-40")]
)
def test_an_unknown_agent_is_told_the_nearest(client: httpx2.Client, name: str, nearest: str) -> None:
    error = assert_refused(client.post("/v1/jobs", json={"agent": name, "input": "x"}), "unknown_agent")
    assert f"did you mean '{nearest}" in error["message"]


@pytest.mark.parametrize("name", ["x" * 64, "\x00", "../etc/passwd", "\U0001f4a9", "quick\n", " quick"])
def test_strange_names_of_agents_are_unknown(client: httpx2.Client, name: str) -> None:
    assert_refused(client.post("/v1/jobs", json={"agent": name, "input": "x"}), "unknown_agent")


def _chunks(size: int) -> Iterator[bytes]:
    yield b'{"agent":"quick","input":"'
    for _ in range(size // 65536):
        yield b"x" * 65536
    yield b'"}'


def test_ten_megabytes_are_a_413(client: httpx2.Client) -> None:
    error = assert_refused(_post(client, b"".join(_chunks(10 * _MEGABYTE))), "body_too_large")
    assert error["details"] == {"max_body_bytes": _MEGABYTE}


def test_ten_megabytes_in_chunks_are_a_413(client: httpx2.Client) -> None:
    answer = client.post("/v1/jobs", content=_chunks(10 * _MEGABYTE), headers=_JSON)
    assert_refused(answer, "body_too_large")


def test_a_body_of_exactly_the_limit_is_taken(client: httpx2.Client) -> None:
    frame = len(b'{"agent":"idle","input":""}')
    body = b'{"agent":"idle","input":"' + b"x" * (_MEGABYTE - frame) + b'"}'
    assert len(body) == _MEGABYTE
    answer = _post(client, body)
    assert answer.status_code == 202, answer.text
    assert_refused(_post(client, body + b" "), "body_too_large")


@pytest.mark.parametrize("path", ["/v1/events/tickets", "/v1/coord/queues/quick/resume"])
def test_a_large_body_is_a_413_where_none_is_asked_for_too(client: httpx2.Client, path: str) -> None:
    answer = client.post(path, content=b"x" * 2 * _MEGABYTE)
    assert answer.status_code in (413, 201, 200)
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/octet-stream",
        "application/xml",
        "",
        "application",
        "json",
        "\x80",
    ],
)
def test_another_content_type_is_a_4xx(client: httpx2.Client, content_type: str) -> None:
    headers = {b"Content-Type": content_type.encode("latin-1")}
    answer = client.post("/v1/jobs", content=_job(""), headers=headers)
    error = answer.json()["error"]
    assert_refused(answer, error["code"])
    assert 400 <= answer.status_code < 500


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/problem+json"]
)
def test_forms_of_the_json_content_type_are_taken(client: httpx2.Client, content_type: str) -> None:
    answer = client.post("/v1/jobs", content=_job(""), headers={"Content-Type": content_type})
    assert answer.status_code == 202, answer.text


def test_a_compressed_body_is_a_4xx(client: httpx2.Client) -> None:
    headers = {**_JSON, "Content-Encoding": "gzip"}
    answer = client.post("/v1/jobs", content=gzip.compress(_job("")), headers=headers)
    assert_refused(answer, "invalid_json")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/jobs",
        "/v1/agents",
        "/v1/events",
        "/v1/coord/queues",
        "/health/live",
        "/metrics",
        "/",
        "/openapi.json",
    ],
)
def test_a_get_with_a_body_is_answered(client: httpx2.Client, path: str) -> None:
    if path == "/v1/events":
        with client.stream("GET", path, headers=_JSON) as answer:
            assert answer.status_code == 200
        return
    answer = client.request("GET", path, content=b"{nonsense", headers=_JSON)
    assert answer.status_code == 200
