"""One open session in use: calls side by side, its health, and its list of tools."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from airboss.domain.mcp_policies import McpPolicy
from airboss.domain.mcp_servers import RemoteTool
from airboss.mcp.call import Call, CallQueue
from airboss.mcp.session import Session
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.mcp import McpToolError, McpUnavailableError

#: For calls that are cancelled to tell the server so, before the connection is closed.
_FAREWELL_SECONDS = 0.5
#: The SDK gives the notice of a cancelled call up to five seconds.
_SETTLE_SECONDS = 6.0


class SessionUse:
    """Runs in the owner's task; every call, ping and listing is a child task, so that none can block another.

    `bell` wakes the owner whenever there is something to look at.
    """

    def __init__(
        self,
        name: str,
        session: Session,
        queue: CallQueue,
        bell: asyncio.Event,
        *,
        policy: McpPolicy,
        clock: Clock,
        log: Log,
    ) -> None:
        self._name = name
        self.tools: Sequence[RemoteTool] = session.tools
        self._session = session
        self._queue = queue
        self._bell = bell
        self._policy = policy
        self._clock = clock
        self._log = log
        self._children: set[asyncio.Task[None]] = set()
        self._in_flight = 0
        self._timeouts_in_row = 0
        self._broken: str | None = None
        self._end = "it was closed"
        self._wants_ping = False
        self._is_pinging = False
        self._wants_list = False
        self._is_listing = False

    async def serve(self, is_leaving: Callable[[], bool]) -> None:
        """Return when the owner wants to leave; raises `McpUnavailableError` where the session is broken."""
        self._spawn(self._session.watch_tools())
        self._spawn(self._ping_when_silent())
        try:
            while not is_leaving():
                self._bell.clear()
                if (reason := self._broken or self._session.ended) is not None:
                    self._end = reason
                    raise McpUnavailableError(reason)
                self._start_what_waits()
                await self._bell.wait()
            self._cancel_children()
            if self._children:
                await asyncio.wait(self._children, timeout=_FAREWELL_SECONDS)
        finally:
            self._cancel_children()

    async def settle(self) -> None:
        """Wait for the children of a session that is closed."""
        if self._children:
            _, left = await asyncio.wait(self._children, timeout=_SETTLE_SECONDS)
            if left:
                self._log.error("mcp.calls_left", server=self._name, count=len(left))

    def timed_out(self) -> None:
        """Learn that a call got no answer in time: alone it says little."""
        self._timeouts_in_row += 1
        if self._timeouts_in_row >= self._policy.timeouts_to_reopen:
            self._broken = f"{self._timeouts_in_row} calls in a row got no answer in time"
        self._wants_ping = True
        self._bell.set()

    def tools_changed(self) -> None:
        self._wants_list = True
        self._bell.set()

    def _start_what_waits(self) -> None:
        while self._in_flight < self._policy.max_calls_in_flight and (call := self._queue.take()) is not None:
            self._in_flight += 1
            call.task = self._spawn(self._run(call))
        if self._wants_ping and not self._is_pinging:
            self._wants_ping, self._is_pinging = False, True
            self._spawn(self._ping())
        if self._wants_list and not self._is_listing:
            self._wants_list, self._is_listing = False, True
            self._spawn(self._list())

    async def _run(self, call: Call) -> None:
        try:
            answer = await self._session.call(call.tool, call.arguments, call.on_progress)
        except McpUnavailableError as error:
            # Some servers refuse a session that they have forgotten in ways of their own: a ping tells.
            self._wants_ping = True
            call.fail(error)
        except McpToolError as error:
            self._timeouts_in_row = 0
            call.fail(error)
        except asyncio.CancelledError:
            call.fail(McpUnavailableError(f"the connection broke during the call: {self._end}"))
            raise
        except Exception as error:  # noqa: BLE001 - one call's trouble must not reach the others
            self._log.error("mcp.call_failed", server=self._name, error=error)
            call.fail(McpUnavailableError("the call failed inside Airboss; the log says more"))
        else:
            call.succeed(answer)
            self._timeouts_in_row = 0
        finally:
            self._in_flight -= 1
            self._bell.set()

    async def _ping(self) -> None:
        try:
            async with asyncio.timeout(self._policy.ping_seconds):
                await self._session.ping()
        except TimeoutError:
            self._broken = f"it did not answer a ping within {self._policy.ping_seconds:g} s"
        except McpUnavailableError as error:
            self._broken = str(error)
        finally:
            self._is_pinging = False
            self._bell.set()

    async def _list(self) -> None:
        try:
            async with asyncio.timeout(self._policy.open_seconds):
                self.tools = await self._session.list_tools()
            self._log.info("mcp.tools_changed", server=self._name, count=len(self.tools))
        except (McpUnavailableError, TimeoutError) as error:
            self._log.warning(
                "mcp.tools_not_listed", server=self._name, reason=str(error) or "no answer in time"
            )
        finally:
            self._is_listing = False
            self._bell.set()

    async def _ping_when_silent(self) -> None:
        """Find connections that died without a word. A server at work on a call may be silent."""
        while True:
            await self._clock.sleep(self._policy.idle_check_seconds)
            silent_seconds = self._clock.monotonic() - self._session.heard_at
            if silent_seconds >= self._policy.idle_check_seconds and self._in_flight == 0:
                self._wants_ping = True
                self._bell.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._children.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._children.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("mcp.child_failed", server=self._name, error=error)

    def _cancel_children(self) -> None:
        for task in self._children:
            task.cancel()
