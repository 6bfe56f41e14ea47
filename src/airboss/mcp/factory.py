"""Opens sessions with the SDK. Loaded by name when the first server is needed: the SDK is slow to import."""

import logging
import math
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio
import anyio.to_thread
import httpx2
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.client._transport import TransportStreams, WriteStream
from mcp.client.client import Client
from mcp.client.session import IncomingMessage
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp.shared.message import SessionMessage
from mcp_types import CONNECTION_CLOSED, Implementation, ToolListChangedNotification

from airboss.domain.mcp_policies import McpPolicy
from airboss.domain.mcp_servers import ExternalSpec, ProcessSpec, ServerOrigin
from airboss.mcp.checked_transport import CheckedTransport
from airboss.mcp.heard_stream import HeardStream
from airboss.mcp.launch import ReadSecret, container_launch, process_launch, read_values
from airboss.mcp.sdk_session import SdkSession
from airboss.mcp.session import OpenSession, Session, Target
from airboss.mcp.stdio_streams import stdio_streams
from airboss.mcp.wire_notes import WireNotes
from airboss.ports.clock import Clock
from airboss.ports.log import Log
from airboss.ports.mcp import McpUnavailableError
from airboss.version import VERSION

#: Returns a transport that may reach what servers of this origin may be at; closed with the connection.
MakeTransport = Callable[[ServerOrigin], httpx2.AsyncBaseTransport]
_MAX_LEAVES = 3
_MAX_REFUSALS_WAITING = 100


def session_opener(
    *,
    policy: McpPolicy,
    read_secret: ReadSecret,
    make_transport: MakeTransport,
    clock: Clock,
    log: Log,
) -> OpenSession:
    # The SDK logs what servers send, at any rate and unmasked; what matters is told by our own notes.
    for name in ("mcp", "client"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    return _Opener(policy, read_secret, make_transport, clock, log).open


class _Opener:
    def __init__(
        self,
        policy: McpPolicy,
        read_secret: ReadSecret,
        make_transport: MakeTransport,
        clock: Clock,
        log: Log,
    ) -> None:
        self._policy = policy
        self._read_secret = read_secret
        self._make_transport = make_transport
        self._clock = clock
        self._log = log

    @asynccontextmanager
    async def open(self, target: Target) -> AsyncGenerator[Session]:
        notes = WireNotes(target.name, self._clock, self._log, target.on_ended)

        async def on_message(message: IncomingMessage) -> None:
            if isinstance(message, ToolListChangedNotification):
                target.on_tools_changed()

        client = Client(
            self._heard(target, notes),
            client_info=Implementation(name="airboss", version=VERSION),
            message_handler=on_message,
            cache=None,
        )
        try:
            with anyio.CancelScope(deadline=anyio.current_time() + self._policy.open_seconds) as opening:
                async with client:
                    session = SdkSession(client, target, self._policy, notes, self._log, self._clock)
                    session.tools = await session.list_tools()
                    opening.deadline = math.inf
                    yield session
            if opening.cancelled_caught:
                raise McpUnavailableError(f"it was not open within {self._policy.open_seconds:g} s")  # noqa: TRY301
        except Exception as error:  # noqa: BLE001 - whatever a server makes the SDK raise ends its session only
            raise McpUnavailableError(notes.told(_reason(error))) from None

    @asynccontextmanager
    async def _heard(self, target: Target, notes: WireNotes) -> AsyncGenerator[TransportStreams]:
        async with self._streams(target, notes) as (read, write), anyio.create_task_group() as tasks:
            refusals, refused = anyio.create_memory_object_stream[SessionMessage](_MAX_REFUSALS_WAITING)
            with refusals, refused:
                tasks.start_soon(_hand_on, refused, write)
                yield HeardStream(read, refusals, notes, self._policy.max_notifications_per_second), write
            tasks.cancel_scope.cancel()

    @asynccontextmanager
    async def _streams(self, target: Target, notes: WireNotes) -> AsyncGenerator[TransportStreams]:
        streams = await self._transport(target, notes)
        async with streams as pair:
            yield pair

    async def _transport(
        self, target: Target, notes: WireNotes
    ) -> AbstractAsyncContextManager[TransportStreams]:
        spec = target.spec
        given = spec.headers if isinstance(spec, ExternalSpec) else spec.env
        values, notes.secrets = await read_values(given, self._read_secret)
        base = self._policy.process.environment
        if isinstance(spec, ExternalSpec):
            return self._http_streams(spec.endpoint_url, values, target.origin, notes)
        if isinstance(spec, ProcessSpec):
            launch = process_launch(spec, target.origin, values, base)
            notes.path = launch.environment.get("PATH", "")
        else:
            launch = container_launch(target.name, spec, values, base)
        return stdio_streams(launch, self._policy.process, self._policy.max_message_bytes, notes)

    @asynccontextmanager
    async def _http_streams(
        self, url: str, headers: Mapping[str, str], origin: ServerOrigin, notes: WireNotes
    ) -> AsyncGenerator[TransportStreams]:
        # In a thread, since it reads the system's certificates.
        reach = await anyio.to_thread.run_sync(self._make_transport, origin)
        transport = CheckedTransport(reach, self._policy.max_message_bytes, notes)
        # An answer may take as long as its call: the limit there is the caller's.
        timeout = httpx2.Timeout(self._policy.connect_seconds, read=None)
        async with (
            httpx2.AsyncClient(
                transport=transport, headers=headers, timeout=timeout, follow_redirects=False, trust_env=False
            ) as client,
            streamable_http_client(
                url, http_client=client, max_sse_event_size=self._policy.max_message_bytes
            ) as streams,
        ):
            yield streams


async def _hand_on(
    refused: MemoryObjectReceiveStream[SessionMessage], write: WriteStream[SessionMessage]
) -> None:
    try:
        async for answer in refused:
            await write.send(answer)
    except (anyio.BrokenResourceError, anyio.ClosedResourceError):
        return


def _reason(error: BaseException) -> str:
    """Return what is known for sure where something is, and not what broke in its wake."""
    leaves = _leaves(error)
    known = [leaf for leaf in leaves if isinstance(leaf, McpUnavailableError)]
    said = dict.fromkeys(_said(leaf) for leaf in known or leaves)
    return "; ".join(list(said)[:_MAX_LEAVES])


def _leaves(error: BaseException) -> list[BaseException]:
    """Return the errors in a group of groups, which is how the SDK's task groups raise."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]


def _said(error: BaseException) -> str:
    match error:
        case McpUnavailableError():
            return str(error)
        case MCPError() if error.code == CONNECTION_CLOSED:
            return "it closed the connection"
        case MCPError():
            return f"the server refused: {error.message}"
        case OSError() | httpx2.HTTPError() | httpx2.InvalidURL():
            return f"{type(error).__name__}: {error}"
        case RuntimeError():
            return str(error)
        case _:
            return f"the server does not follow the protocol ({type(error).__name__})"
