"""HEAD is GET without the body, and never a stream that stays open."""

import pytest
from tests.support.polling import until
from tests.support.server import ServerProcess


@pytest.mark.parametrize(
    "path", ["/", "/health/live", "/v1/jobs", "/v1/agents", "/ui/", "/metrics", "/nowhere"]
)
def test_head_has_the_status_and_headers_of_get(shared_server: ServerProcess, path: str) -> None:
    with shared_server.client() as client:
        got, asked = client.get(path), client.head(path)
        assert asked.status_code == got.status_code
        assert asked.content == b""
        assert asked.headers["content-type"] == got.headers["content-type"]


def test_head_of_a_stream_ends_and_leaves_no_subscriber(shared_server: ServerProcess) -> None:
    with shared_server.client() as client:
        asked = client.head("/v1/events")
        assert asked.status_code == 200
        assert asked.headers["content-type"].startswith("text/event-stream")
        until(lambda: "airboss_event_subscribers 0.0" in client.get("/metrics").text, "no subscriber")


def test_head_where_there_is_no_get_is_not_allowed(shared_server: ServerProcess) -> None:
    with shared_server.client() as client:
        assert client.head("/v1/events/tickets").status_code == 405
