"""A short version of `python -m benchmarks.mcp_leaks`."""

import asyncio

import pytest
import uvloop
from benchmarks.mcp_leaks import WAYS, measure


@pytest.mark.timeout(300)
def test_sessions_that_break_in_every_way_leave_nothing_and_the_process_idle() -> None:
    # On the event loop that serves: the tests elsewhere run on Python's own.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(measure(sessions=2 * len(WAYS), idle_seconds=1.0))
    assert found["is_clean"], found
