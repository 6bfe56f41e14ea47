"""The life of a connection: opened when needed, tried again, left alone, stopped, redefined, forgotten."""

import asyncio
import gc
import os

import pytest
from tests.support.clock import FakeClock
from tests.support.mcp_rig import Heard, hostile, mcp_rig
from tests.support.process_table import below
from tests.support.tasks import tasks_left

from airboss.domain.mcp_servers import ServerOrigin, ServerState
from airboss.ports.mcp import McpNotSentError, McpUnavailableError

DEAD = hostile("--exit", "1")


async def test_a_server_is_opened_at_its_first_use() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        assert rig.connections.status("h").state is ServerState.STOPPED
        assert "echo" in await rig.tool_names("h")
        assert rig.connections.status("h").state is ServerState.RUNNING
        assert rig.watch.news == [("started", "h")]


async def test_a_server_that_keeps_failing_is_left_alone_while_the_others_go_on() -> None:
    clock = FakeClock()
    async with mcp_rig(clock=clock) as rig:
        rig.define("bad", DEAD)
        rig.define("good", hostile())
        with pytest.raises(McpNotSentError, match="ended with code 1"):
            await rig.call("bad", "echo")
        for pause in (0.5, 1.0, 2.0, 4.0):
            await clock.someone_sleeps(pause)
            assert rig.connections.status("bad").state is ServerState.FAILED
            clock.advance(pause)
        await clock.someone_sleeps(60.0)
        status = rig.connections.status("bad")
        assert (status.state, status.restarts) == (ServerState.QUARANTINED, 5)
        assert status.reason is not None
        assert "keeps failing and is left alone for 60 s" in status.reason
        assert rig.watch.count("failed") == 5
        with pytest.raises(McpNotSentError, match="quarantine"):
            await rig.call("bad", "echo")
        with pytest.raises(McpNotSentError, match="quarantine"):
            await rig.connections.tools("bad")
        assert await rig.call("good", "echo", {"text": "on"}) == "on"
        for quarantine in (60.0, 120.0, 240.0, 480.0):
            await clock.someone_sleeps(quarantine)
            clock.advance(quarantine)
        await clock.someone_sleeps(900.0)


async def test_start_opens_a_server_out_of_its_quarantine() -> None:
    clock = FakeClock()
    async with mcp_rig(clock=clock) as rig:
        rig.define("h", DEAD)
        assert (await rig.connections.start("h")).state is ServerState.FAILED
        for pause in (0.5, 1.0, 2.0, 4.0):
            await clock.someone_sleeps(pause)
            clock.advance(pause)
        await clock.someone_sleeps(60.0)
        assert (await rig.connections.start("h")).state is ServerState.FAILED
        await clock.someone_sleeps(0.5)


async def test_a_server_that_lasted_has_its_failures_forgotten() -> None:
    clock = FakeClock()
    async with mcp_rig(clock=clock) as rig:
        rig.define("h", hostile())
        for failure in range(3):
            with pytest.raises(McpUnavailableError):
                await rig.call("h", "die")
            await clock.someone_sleeps(0.5 * 2**failure)
            clock.advance(0.5 * 2**failure)
            await rig.call("h", "echo")
        clock.advance(61)
        with pytest.raises(McpUnavailableError):
            await rig.call("h", "die")
        await clock.someone_sleeps(0.5)


async def test_a_call_that_comes_while_a_server_is_opened_anew_waits_for_it() -> None:
    clock = FakeClock()
    async with mcp_rig(clock=clock) as rig:
        rig.define("h", hostile())
        with pytest.raises(McpUnavailableError):
            await rig.call("h", "die")
        await clock.someone_sleeps(0.5)
        waiting = asyncio.create_task(rig.call("h", "echo", {"text": "patient"}))
        clock.advance(0.5)
        assert await waiting == "patient"


async def test_stop_ends_calls_and_keeps_the_server_closed_until_start() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        heard = Heard()
        hanging = asyncio.create_task(rig.call("h", "hang", heard=heard))
        await heard.first()
        assert (await rig.connections.stop("h")).state is ServerState.STOPPED
        with pytest.raises(McpUnavailableError, match="broke during the call"):
            await hanging
        with pytest.raises(McpNotSentError, match="start it first"):
            await rig.call("h", "echo")
        assert (await rig.connections.stop("h")).state is ServerState.STOPPED
        assert (await rig.connections.start("h")).state is ServerState.RUNNING
        assert await rig.call("h", "echo", {"text": "again"}) == "again"
        assert [entry[0] for entry in rig.watch.news] == ["started", "stopped", "started"]


@pytest.mark.parametrize("pauses", [1, 5])
async def test_stop_ends_a_pause_and_a_quarantine(pauses: int) -> None:
    clock = FakeClock()
    async with mcp_rig(clock=clock) as rig:
        rig.define("h", DEAD)
        await rig.connections.start("h")
        for pause in (0.5, 1.0, 2.0, 4.0)[: pauses - 1]:
            await clock.someone_sleeps(pause)
            clock.advance(pause)
        await clock.someone_sleeps(0.5 if pauses == 1 else 60.0)
        assert (await rig.connections.stop("h")).state is ServerState.STOPPED
        assert rig.watch.news[-1] == ("stopped", "h", "it was stopped; start it first")


async def test_another_definition_reopens_a_running_server_and_the_same_one_does_not() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile(A="1"))
        await rig.connections.start("h")
        rig.define("h", hostile(A="1"))
        assert '"A": "1"' in await rig.call("h", "environment")
        rig.define("h", hostile(A="2"))
        await rig.watch.until(lambda: rig.watch.count("started") == 2)
        assert '"A": "2"' in await rig.call("h", "environment")
        assert [entry[0] for entry in rig.watch.news] == ["started", "stopped", "started"]


async def test_another_definition_is_tried_at_once() -> None:
    clock = FakeClock()
    async with mcp_rig(clock=clock) as rig:
        rig.define("h", DEAD)
        await rig.connections.start("h")
        await clock.someone_sleeps(0.5)
        rig.define("h", hostile())
        assert await rig.call("h", "echo", {"text": "mended"}) == "mended"


async def test_a_removed_server_is_unknown_and_gone() -> None:
    before, processes = asyncio.all_tasks(), below(os.getpid())
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        await rig.connections.start("h")
        await rig.connections.remove("h")
        assert below(os.getpid()) == processes
        assert tasks_left(before) == set()
        with pytest.raises(McpNotSentError, match="no MCP server h"):
            await rig.call("h", "echo")
        with pytest.raises(KeyError):
            rig.connections.status("h")
        await rig.connections.remove("h")


async def test_a_check_opens_lists_and_closes() -> None:
    async with mcp_rig() as rig:
        processes = below(os.getpid())
        tools = await rig.connections.check(hostile(), ServerOrigin.API)
        assert "echo" in {tool.name for tool in tools}
        assert below(os.getpid()) == processes
        with pytest.raises(McpUnavailableError, match="ended with code 1"):
            await rig.connections.check(DEAD, ServerOrigin.API)
        assert rig.watch.news == []


async def test_a_check_that_is_given_up_ends_its_process() -> None:
    async with mcp_rig() as rig:
        processes = below(os.getpid())
        check = asyncio.create_task(
            rig.connections.check(hostile("--hang", "--leak", "HOME"), ServerOrigin.API)
        )
        await rig.log.until("mcp.server_stderr")
        check.cancel()
        with pytest.raises(asyncio.CancelledError):
            await check
        assert below(os.getpid()) == processes


async def test_close_ends_everything_and_may_come_twice() -> None:
    before, processes = asyncio.all_tasks(), below(os.getpid())
    async with mcp_rig() as rig:
        for name in ("a", "b", "c"):
            rig.define(name, hostile("--stubborn"))
            await rig.connections.start(name)
        rig.define("opening", hostile("--hang"))
        opening = asyncio.create_task(rig.connections.start("opening"))
        check = asyncio.create_task(rig.connections.check(hostile("--hang"), ServerOrigin.API))
        await asyncio.sleep(0)
        await asyncio.gather(rig.connections.close(), rig.connections.close())
        assert below(os.getpid()) == processes
        with pytest.raises(McpNotSentError):
            await rig.call("a", "echo")
        with pytest.raises(McpNotSentError):
            await check
        await opening
    gc.collect()
    assert tasks_left(before) == set()
