"""A running Airboss without its HTTP side."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import structlog

from airboss.config.findings import refuse
from airboss.config.runtime_config import RuntimeConfig
from airboss.domain.audit import SYSTEM, AuditAction, AuditDraft, TargetKind
from airboss.domain.errors import StorageUnavailableError
from airboss.engines.embedded import EmbeddedEngine
from airboss.events.bus import EventBus
from airboss.manager.janitor import Janitor
from airboss.manager.manager import AgentManager
from airboss.manager.mcp_news import McpNews
from airboss.manager.mcp_servers import McpServers
from airboss.ports.clock import Clock
from airboss.ports.loop import AgentLoop
from airboss.ports.mcp import McpConnections
from airboss.ports.store import Store, StoreOpenError
from airboss.providers.registry import ProviderRegistry
from airboss.resilience.background import Background
from airboss.resilience.system_clock import SystemClock
from airboss.runtime.authentication import TokenAuthentication
from airboss.runtime.lazy_loop import LazyLoop
from airboss.runtime.mcp_connections import build_connections
from airboss.runtime.provider_news import ProviderNews
from airboss.runtime.toolbox import build_tools, build_web_client, unknown_tools, unsafe_root
from airboss.storage.memory import MemoryStore
from airboss.storage.sqlite.store import SqliteStore
from airboss.telemetry.event_log import EventLog
from airboss.telemetry.loop_lag import LoopLag
from airboss.telemetry.metrics import Gauges, Metrics
from airboss.tools.registry import ToolRegistry
from airboss.version import VERSION

#: How long the news that the node leaves may keep the drain waiting.
_TELL_SECONDS = 0.5
#: How long who followed a job to the end of the drain has to ask how it ended, within the grace.
_LAST_QUESTIONS_SECONDS = 0.25


async def _nothing() -> None:
    """Keep nothing: variables and files are read at each use."""


class Runtime:
    """Builds every part, starts them from the store up and stops them from the manager down."""

    def __init__(
        self,
        config: RuntimeConfig,
        read_secret: Callable[[str], str],
        keep_secrets: Callable[[], Awaitable[None]] = _nothing,
    ) -> None:
        """`keep_secrets` runs beside the rest, and keeps what `read_secret` returns fresh.

        Raises `RefusedSettingsError` for settings that a part cannot work with.
        """
        refuse([*unknown_tools(config.agents), *unsafe_root(config.files, config.data_folder)])
        self.config, self.read_secret = config, read_secret
        self.clock: Clock = SystemClock()
        # Bound now: the logger it gives first looks its settings up with every line.
        self.log = structlog.get_logger().bind()
        self.node_id = ""
        self.store = _store(config)
        self.bus = EventBus(subscriber_buffer=config.events.subscriber_buffer)
        self.engine = EmbeddedEngine()
        self.authentication = self._build_authentication(read_secret)
        self._web = build_web_client(config.web)
        tools = build_tools(config, self._web)
        self._news = ProviderNews(self.store, lambda: self.metrics, self.clock)
        self.providers = ProviderRegistry(
            config.providers, read_secret=read_secret, clock=self.clock, watch=self._news, log=self.log
        )
        self.mcp, connections = self._build_mcp(read_secret)
        self._loops = LazyLoop(lambda module: self._build_loop(module, tools, connections), self.log)
        self.manager = AgentManager(
            store=self.store,
            engine=self.engine,
            bus=self.bus,
            loops=self._loops,
            agents=config.agents,
            policy=config.queue,
            clock=self.clock,
            log=self.log,
        )
        self.lag = LoopLag()
        self.metrics = Metrics(agents=[agent.name for agent in config.agents], read_gauges=self._gauges)
        self.bus.tap(self.metrics.on_event)
        self.bus.tap(EventLog(self.log).on_event)
        self._janitor = Janitor(self.store, config.retention, self.clock, self.log)
        self._secrets = Background("secrets", keep_secrets)
        self._heart = Background("heart", self._beat)
        self._is_open = False
        self.is_recovered = False

    def _build_loop(self, module: Any, tools: ToolRegistry, mcp: McpConnections) -> AgentLoop:
        loop: AgentLoop = module.build_loop(
            agents=self.config.agents,
            providers=self.providers,
            tools=tools,
            mcp=mcp,
            clock=self.clock,
            log=self.log,
        )
        return loop

    def _build_authentication(self, read_secret: Callable[[str], str]) -> TokenAuthentication | None:
        if self.config.auth is None:
            return None
        return TokenAuthentication(self.config.auth, read_secret=read_secret, clock=self.clock, log=self.log)

    def _build_mcp(self, read_secret: Callable[[str], str]) -> tuple[McpServers, McpConnections]:
        news = McpNews(self.store, self.clock, self._on_mcp_call)
        connections = build_connections(
            self.config.mcp, read_secret=read_secret, watch=news, clock=self.clock, log=self.log
        )
        servers = McpServers(
            store=self.store,
            connections=connections,
            news=news,
            policy=self.config.mcp,
            agents=self.config.agents,
            clock=self.clock,
            log=self.log,
        )
        return servers, connections

    def _on_mcp_call(self, server: str, outcome: str, seconds: float) -> None:
        self.metrics.observe_mcp_call(server, outcome, seconds)

    async def start(self) -> None:
        """Open the store, recover, begin to work; when this returns the node can serve."""
        self._secrets.start()
        self._start_authentication()
        await self.store.open(self.bus.publish)
        self._is_open = True
        try:
            await self._recover()
        except StorageUnavailableError as error:
            raise StoreOpenError(
                f"the store {self.config.database or 'in memory'} cannot be recovered: {error}; check its disk,"
                " or restore it from a backup where it is damaged"
            ) from error
        self.is_recovered = True
        await self._janitor.start()
        self._heart.start()

    def _start_authentication(self) -> None:
        if self.authentication is not None:
            self.authentication.start()
        else:
            # The settings let nobody listen beyond loopback without tokens.
            self.log.warning(
                "auth.off",
                meaning="only this machine can reach the port; whoever does, also through a proxy here, is an admin",
                advice="set auth.mode: jwt before others may use it",
            )

    async def _recover(self) -> None:
        self.node_id = await self.store.node_id()
        self.bus.start_after((await self.store.event_bounds()).last)
        await self.store.announce([], [self._settings_loaded()])
        await self.lag.start()
        await self.mcp.load()
        await self.manager.start()

    def _settings_loaded(self) -> AuditDraft:
        return AuditDraft(
            AuditAction.SETTINGS_LOAD,
            self.clock.now_ms(),
            SYSTEM,
            TargetKind.SETTINGS,
            self.config.settings_hash,
            details={"node": self.node_id, "version": VERSION},
        )

    def begin_drain(self) -> None:
        """Take no new work; readiness turns, callers are told."""
        self.manager.duty.begin_to_leave()

    async def drain(self, grace_seconds: float) -> None:
        """End streams, let jobs end within the grace and hand the rest back."""
        began = self.clock.monotonic()
        self.begin_drain()
        # A store that hangs must not hold up what ends the work.
        with suppress(TimeoutError):
            async with asyncio.timeout(_TELL_SECONDS):
                await self.manager.duty.tell_leaving()
        followers = self.bus.subscriber_count
        self.bus.drain("draining")
        await self.manager.drain(grace_seconds)
        if followers:
            left_seconds = began + grace_seconds - self.clock.monotonic()
            await self.clock.sleep(max(0.0, min(_LAST_QUESTIONS_SECONDS, left_seconds)))
        await self.manager.duty.leave()

    def hand_back(self) -> None:
        """End the grace: what still runs goes back to the queue now."""
        self.manager.hand_back()

    async def stop(self) -> None:
        await self._heart.stop()
        if self.authentication is not None:
            await self.authentication.stop()
        await self._janitor.stop()
        await self.manager.stop()
        await self.mcp.stop_all()
        await self.providers.close()
        await self._web.aclose()
        await self._news.stop()
        await self._secrets.stop()
        await self.lag.stop()
        if self._is_open:
            self._is_open = False
            await self.store.close()

    async def _beat(self) -> None:
        while True:
            await self.clock.sleep(self.config.events.heartbeat_seconds)
            await self.bus.heartbeat()

    def _gauges(self) -> Gauges:
        names = [agent.name for agent in self.config.agents]
        running, depths = self.engine.running(), self.engine.depths()
        return Gauges(
            jobs_running={name: running.get(name, 0) for name in names},
            queue_depth={name: depths.get(name, 0) for name in names},
            queue_capacity=self.manager.queue_capacity,
            event_subscribers=self.bus.subscriber_count,
            events_lagged_total=self.bus.lagged_total,
            late_writes_total=self.manager.late_writes_total,
            loop_lag_seconds=self.lag.seconds,
            mcp_server_states=self.mcp.states(),
            provider_calls_in_flight={
                provider.spec.name: provider.path.limiter.in_flight for provider in self.providers
            },
            provider_calls_waiting={
                provider.spec.name: provider.path.limiter.waiting for provider in self.providers
            },
        )


def _store(config: RuntimeConfig) -> Store:
    node_id = f"node-{secrets.token_hex(3)}"
    if config.database is None:
        return MemoryStore(node_id=node_id, max_event_bytes=config.events.max_bytes)
    return SqliteStore(config.database, new_node_id=node_id, max_event_bytes=config.events.max_bytes)
