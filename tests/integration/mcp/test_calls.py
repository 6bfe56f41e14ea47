"""Calls on one session of a hostile server: side by side, bounded, cancelled, timed out."""

import asyncio
import json
import re

import pytest
from tests.support.mcp_rig import Heard, McpRig, hostile, mcp_rig

from airboss.domain.mcp_servers import ServerState
from airboss.ports.mcp import McpNotSentError, McpToolError, McpUnavailableError


async def restarts(rig: McpRig) -> int:
    return rig.connections.status("h").restarts


async def test_calls_run_side_by_side_and_a_hung_one_blocks_nobody() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        hung, waited = Heard(), Heard()
        hanging = asyncio.create_task(rig.call("h", "hang", heard=hung))
        waiting = asyncio.create_task(rig.call("h", "wait", heard=waited))
        await hung.first()
        await waited.first()
        assert await rig.call("h", "echo", {"text": "at once"}) == "at once"
        assert await rig.call("h", "release") == "1"
        assert await waiting == "released"
        hanging.cancel()
        await asyncio.wait([hanging])
        assert rig.watch.calls == [("h", "ok"), ("h", "ok"), ("h", "ok"), ("h", "cancelled")]


async def test_a_cancelled_call_tells_the_server_and_leaves_the_session() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        heard = Heard()
        call = asyncio.create_task(rig.call("h", "hang", heard=heard))
        request_id, _ = await heard.first()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert json.loads(await rig.call("h", "cancelled")) == [int(request_id)]
        assert rig.watch.news == [("started", "h")]


async def test_a_call_that_times_out_tells_the_server_and_leaves_the_session() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        await rig.connections.start("h")
        with pytest.raises(TimeoutError):
            await rig.call("h", "hang", seconds=0.05)
        assert len(json.loads(await rig.call("h", "cancelled"))) == 1
        assert rig.watch.news == [("started", "h")]
        assert rig.watch.calls == [("h", "timeout"), ("h", "ok")]


async def test_calls_in_flight_and_waiting_are_bounded() -> None:
    async with mcp_rig(max_calls_in_flight=2, max_calls_waiting=1) as rig:
        rig.define("h", hostile())
        await rig.connections.start("h")
        heard = [Heard(), Heard(), Heard()]
        calls = [asyncio.create_task(rig.call("h", "wait", heard=each)) for each in heard[:2]]
        for each in heard[:2]:
            await each.first()
        third = asyncio.create_task(rig.call("h", "echo", {"text": "third"}))
        await asyncio.sleep(0)  # the third takes its place in the queue
        with pytest.raises(McpNotSentError, match="1 calls wait for this server already"):
            await rig.call("h", "echo")
        calls[0].cancel()
        assert await third == "third"
        assert await rig.call("h", "release") == "2"
        assert await calls[1] == "released"


async def test_a_call_that_was_never_sent_says_so() -> None:
    async with mcp_rig(max_calls_in_flight=1) as rig:
        rig.define("h", hostile())
        heard = Heard()
        first = asyncio.create_task(rig.call("h", "hang", heard=heard))
        await heard.first()
        with pytest.raises(McpNotSentError, match="the call waited"):
            await rig.call("h", "echo", seconds=0.05)
        first.cancel()
        assert await rig.call("h", "echo", {"text": "x"}) == "x"


async def test_a_server_that_dies_in_a_call_ends_the_call_and_comes_back() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        with pytest.raises(McpUnavailableError, match="the connection broke during the call") as caught:
            await rig.call("h", "die", {"code": 7})
        assert not isinstance(caught.value, McpNotSentError)
        assert await rig.call("h", "echo", {"text": "back"}) == "back"
        assert rig.watch.count("failed") == 1
        assert re.search(r"ended with code 7; it last wrote: .*about to die", rig.watch.news[1][2])
        assert await restarts(rig) == 1


async def test_a_server_that_stops_answering_is_pinged_after_a_timeout_and_opened_anew() -> None:
    async with mcp_rig(ping_seconds=0.2) as rig:
        rig.define("h", hostile())
        await rig.connections.start("h")
        with pytest.raises(TimeoutError):
            await rig.call("h", "go_deaf", seconds=0.1)
        await rig.watch.until(lambda: rig.watch.count("failed") == 1)
        assert "did not answer a ping within 0.2 s" in rig.watch.news[1][2]
        assert await rig.call("h", "echo", {"text": "anew"}) == "anew"


async def test_many_calls_in_a_row_without_an_answer_open_the_session_anew() -> None:
    async with mcp_rig(timeouts_to_reopen=3) as rig:
        rig.define("h", hostile())
        await rig.connections.start("h")
        for _ in range(2):
            with pytest.raises(TimeoutError):
                await rig.call("h", "hang", seconds=0.05)
        await rig.call("h", "echo")
        assert rig.watch.count("failed") == 0
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await rig.call("h", "hang", seconds=0.05)
        await rig.watch.until(lambda: rig.watch.count("failed") == 1)
        assert "3 calls in a row got no answer in time" in rig.watch.news[1][2]


async def test_garbage_between_messages_is_noted_and_harms_nothing() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        assert await rig.call("h", "garbage") == "after the garbage"
        assert len(rig.log.of("mcp.no_message")) == 6
        assert rig.watch.news == [("started", "h")]


@pytest.mark.parametrize("size", [5_000, 100_000])
async def test_a_message_over_the_limit_fails_its_call_only(size: int) -> None:
    async with mcp_rig(max_message_bytes=20_000) as rig:
        rig.define("h", hostile())
        if size < 20_000:
            assert await rig.call("h", "huge", {"bytes": size}) == "x" * size
        else:
            with pytest.raises(McpToolError, match=r"a message of \d+ bytes is over the limit of 20000"):
                await rig.call("h", "huge", {"bytes": size})
        assert rig.watch.news == [("started", "h")]


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [(600, "600 blocks is over the limit of 500"), (120_000, "more than 20000 structures")],
)
async def test_an_answer_that_is_too_much_work_fails_its_call_only(blocks: int, reason: str) -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        with pytest.raises(McpToolError, match=reason):
            await rig.call("h", "dense", {"blocks": blocks})
        assert rig.watch.news == [("started", "h")]


async def test_a_long_answer_is_cut_and_says_so() -> None:
    async with mcp_rig(max_answer_bytes=1000) as rig:
        rig.define("h", hostile())
        answer = await rig.call("h", "huge", {"bytes": 5000})
        assert answer == "x" * 1000 + "\n[truncated: 1000 of 5000 bytes]"


async def test_a_flood_of_progress_is_thinned_and_does_not_hold_the_loop() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        heard = Heard()
        assert await rig.call("h", "flood", {"count": 900}, heard=heard) == "flooded"
        assert heard.notices[0] == ("step 0", 0.0)
        assert 1 <= len(heard.notices) <= 30


async def test_text_that_no_one_can_encode_fails_its_call_at_once() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        with pytest.raises(McpToolError, match="not a message of the protocol"):
            await rig.call("h", "surrogate")


@pytest.mark.parametrize("method", ["sampling/createMessage", "elicitation/create", "roots/list"])
async def test_what_is_not_offered_is_answered_with_method_not_found(method: str) -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        answer = json.loads(await rig.call("h", "ask", {"method": method}))
        assert (answer["code"], answer["message"]) == (-32601, f"{method} is not offered by this client")


async def test_questions_are_answered_in_one_task_and_a_flood_of_them_ends_the_session() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        await rig.connections.start("h")
        tasks = len(asyncio.all_tasks())
        assert json.loads(await rig.call("h", "ask_often", {"count": 50}))["code"] == -32601
        flood = asyncio.create_task(rig.call("h", "ask_often", {"count": 20_000}))
        peak = 0
        while not flood.done():
            peak = max(peak, len(asyncio.all_tasks()))
            await asyncio.sleep(0)
        with pytest.raises(McpUnavailableError):
            await flood
        await rig.watch.until(lambda: rig.watch.count("failed") == 1)
        assert "asks and does not read the answers" in rig.watch.news[1][2]
        assert peak - tasks < 10


async def test_failures_of_a_tool_carry_the_words_of_the_server() -> None:
    async with mcp_rig(max_error_bytes=50) as rig:
        rig.define("h", hostile())
        with pytest.raises(McpToolError, match="no such file"):
            await rig.call("h", "fail", {"text": "no such file"})
        with pytest.raises(McpToolError, match="these arguments will not do"):
            await rig.call("h", "refuse")
        with pytest.raises(McpToolError, match=r"^e{50}\n\[truncated: 50 of 9000 bytes\]$"):
            await rig.call("h", "fail", {"text": "e" * 9000})
        assert rig.watch.calls == [("h", "tool_failed")] * 3


async def test_a_pattern_of_the_server_cannot_hold_the_event_loop() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        await rig.connections.start("h")
        answer = await rig.call("h", "evil_pattern", seconds=5)
        assert answer == {"x": "a" * 40 + "!"}


async def test_content_of_each_kind_becomes_text() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        assert (await rig.call("h", "blocks")).splitlines() == [
            "words",
            "[image image/png, 5 bytes, not shown]",
            "[audio audio/wav, 5 bytes, not shown]",
            "[resource file:///a.txt a]",
            "[resource file:///b.txt text/plain]",
            "inside",
            "[resource file:///c.bin of no declared type, 5 bytes, not shown]",
        ]


async def test_a_changed_list_of_tools_is_fetched_again() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        assert "brand_new" not in await rig.tool_names("h")
        await rig.call("h", "change_tools", {"add": ["brand_new", "no good name", "echo"]})
        await rig.log.until("mcp.tools_changed")
        assert await rig.tool_names("h") == ["echo", "change_tools", "brand_new"]
        assert rig.log.of("mcp.tools_left_out")[0]["tools"] == ["no good name", "echo"]
        assert rig.connections.status("h").tools_count == 3


async def test_annotations_decide_whether_a_call_may_be_repeated() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        tools = {tool.name: tool for tool in await rig.connections.tools("h")}
        assert tools["echo"].repeatable
        assert tools["echo"].destructive is False
        assert not tools["die"].repeatable
        assert tools["die"].read_only is None
        status = rig.connections.status("h")
        assert (status.state, status.protocol_version, status.server_name, status.server_version) == (
            ServerState.RUNNING,
            "2025-11-25",
            "hostile",
            "6.6.6",
        )


async def test_the_log_has_the_lines_of_the_server_masked_and_not_all_of_them() -> None:
    async with mcp_rig() as rig:
        rig.define("h", hostile())
        await rig.call("h", "write_errors", {"lines": 500, "width": 20_000})
        await rig.call("h", "echo")
        lines = [entry["line"] for entry in rig.log.of("mcp.server_stderr")]
        assert lines[0] == "line 0 key *** ***"
        assert 40 < len(lines) < 120
        assert "sk-abcdefghijklmnop" not in rig.log.text
