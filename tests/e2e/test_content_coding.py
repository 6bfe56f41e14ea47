"""Compression: for JSON of some size, where the client asks, and never on streams."""

import gzip
import json

import httpx2
import pytest
from tests.support.api_jobs import run
from tests.support.event_reader import event_stream
from tests.support.raw_http import exchange, head
from tests.support.server import ServerProcess


@pytest.mark.parametrize("path", ["/openapi.json", "/v1/agents", "/v1/jobs"])
def test_json_over_a_kilobyte_is_compressed_where_asked(
    client: httpx2.Client, busy_server: ServerProcess, path: str
) -> None:
    run(client, "quick", "x" * 1000)
    url = busy_server.url
    plain = exchange(url, head("GET", path, url))
    packed = exchange(url, head("GET", path, url, "Accept-Encoding: gzip"))
    assert plain.headers["content-encoding"] is None
    assert packed.headers["content-encoding"] == "gzip"
    for answer in (plain, packed):
        # A cache must not hand one's answer to the other.
        assert "accept-encoding" in answer.headers["vary"].lower()
    assert len(packed.body) < len(plain.body)
    if path != "/v1/jobs":
        assert json.loads(gzip.decompress(packed.body)) == plain.json


@pytest.mark.parametrize("path", ["/health/live", "/", "/v1/jobs?state=waiting", "/nothing"])
def test_short_answers_are_not_compressed(busy_server: ServerProcess, path: str) -> None:
    url = busy_server.url
    answer = exchange(url, head("GET", path, url, "Accept-Encoding: gzip"))
    assert answer.headers["content-encoding"] is None
    assert len(answer.body) < 1024


@pytest.mark.parametrize("accepted", ["identity", "br", "deflate", "*;q=0", "", "nonsense"])
def test_what_was_not_asked_for_is_not_done(busy_server: ServerProcess, accepted: str) -> None:
    url = busy_server.url
    answer = exchange(url, head("GET", "/openapi.json", url, f"Accept-Encoding: {accepted}"))
    assert answer.status == 200
    assert answer.headers["content-encoding"] is None


def test_streams_are_never_compressed(client: httpx2.Client, busy_server: ServerProcess) -> None:
    job = run(client, "tool")
    for path in (job["links"]["events"], "/v1/events"):
        with event_stream(busy_server, path, {"Accept-Encoding": "gzip"}, after=0) as events:
            assert "content-encoding" not in events.response.headers
            events.next()


def test_the_way_in_is_json_and_for_browsers_the_dashboard(client: httpx2.Client) -> None:
    document = client.get("/").json()
    assert set(document) == {"name", "version", "links"}
    for path in document["links"].values():
        if path != "/v1/events":
            assert client.get(path).status_code == 200, path
    sent = client.get("/", headers={"Accept": "text/html,application/xhtml+xml"}, follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (302, "/ui/")
    for path in ("/ui/", "/docs"):
        page = client.get(path)
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
