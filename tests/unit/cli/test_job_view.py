"""What is known of a watched job, event by event."""

from typing import Any

from rich.console import Console

from airboss.cli.job_view import JobView
from airboss.cli.live_view import picture
from airboss.domain.states import EDGES, JobState

_ID = "019a6f3e-7c1a-7000-8a3b-1f0c5d2e4b6a"


def event(kind: str, **data: Any) -> dict[str, Any]:
    common = {"job_id": _ID, "agent": "a", "attempt": 1}
    return {"id": "1", "type": kind, "time": "2026-11-22T12:00:00.000Z", "data": common | data}


def viewed(*events: dict[str, Any]) -> JobView:
    view = JobView(_ID)
    for each in events:
        view.apply(each)
    return view


def shown(view: JobView, width: int = 80, height: int = 24) -> list[str]:
    return [line.plain for line in picture(view, Console(width=width), width, height)]


def test_every_edge_moves_the_state() -> None:
    for edge in EDGES:
        assert viewed(event(edge.event.value)).state is edge.target


def test_text_after_a_resume_starts_again_at_its_offset() -> None:
    view = viewed(
        event("output.delta", text="one ", step=1, offset=0),
        event("output.delta", text="two thr", step=2, offset=4),
        event("job.interrupted", reason="worker_lost"),
        event("output.delta", text="TWO", step=2, offset=4),
    )
    assert view.output == "one TWO"
    assert (view.state, view.note) == (JobState.PENDING, "worker_lost")


def test_calls_are_steps_with_their_outcome() -> None:
    view = viewed(
        event("model.called", provider="p", model="m", step=1),
        event("model.answered", provider="p", model="m", step=1, duration_seconds=1.5),
        event("tool.called", tool="files.list", call_id="c1", step=1),
        event("tool.called", tool="files.read", call_id="c2", step=1),
        event("tool.failed", tool="files.read", call_id="c2", step=1, code="not_found", duration_seconds=0.1),
        event("tool.answered", tool="web.fetch", call_id="c3", step=1, replayed=True, duration_seconds=0),
    )
    lines = shown(view)
    assert lines[1:5] == [
        "  ✓ p, m  1.5 s",
        "  … files.list",
        "  ✗ files.read  0.1 s  not_found",
        "  ✓ web.fetch  0 s  replayed",
    ]


def test_the_picture_never_outgrows_the_terminal() -> None:
    view = viewed(
        *(event("tool.called", tool="t" * 100, call_id=str(number), step=1) for number in range(50)),
        event(
            "output.delta", text="\n".join(f"line {number} " + "x" * 100 for number in range(500)), offset=0
        ),
    )
    for width, height in ((80, 24), (30, 14), (200, 60)):
        lines = shown(view, width, height)
        assert len(lines) <= height
        assert all(len(line) <= width for line in lines)
        assert any("x" * 10 in line for line in lines)


def test_an_escape_sequence_in_two_pieces_is_none() -> None:
    view = viewed(
        event("output.delta", text="a\x1b]0;pw", offset=0), event("output.delta", text="ned\x07b", offset=7)
    )
    assert "ab" in shown(view)


def test_events_of_a_newer_server_are_passed_over() -> None:
    assert viewed(event("job.something_new"), event("output.delta", text="x", offset=0)).output == "x"
