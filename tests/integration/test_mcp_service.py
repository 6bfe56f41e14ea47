"""Defining, starting and asking MCP servers, over both stores: what is kept, told, refused, and in which order."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from tests.support.clock import DEADLINE_SECONDS, FakeClock
from tests.support.events import EventRecorder
from tests.support.jobs import new_agent
from tests.support.scripted_mcp import ScriptedConnections, ScriptedServer, ScriptedTool, remote
from tests.support.stores import ADAPTERS, make_store, opened

from airboss.domain.audit import Caller
from airboss.domain.errors import AirbossError, StorageUnavailableError
from airboss.domain.mcp_policies import ServersPolicy
from airboss.domain.mcp_servers import ExternalSpec, ProcessSpec, ServerOrigin, ServerState, ServerStatus
from airboss.domain.principals import LOCAL_ADMIN
from airboss.manager.mcp_news import McpNews
from airboss.manager.mcp_servers import McpServers
from airboss.ports.audit import AuditQuery
from airboss.ports.store import Store

SPEC = {"endpoint_url": "https://mcp.example.com/mcp", "headers": {"K": "secret://env/K"}}
OTHER = {"endpoint_url": "https://other.example.com/mcp", "headers": {}}
MEANT = ExternalSpec("https://mcp.example.com/mcp", {"K": "secret://env/K"})
CALLER = Caller(LOCAL_ADMIN, "request-1")
POLICY = ServersPolicy({"git": ProcessSpec("mcp-server-git")}, allowed_commands=("uvx",))


class SlowConnections(ScriptedConnections):
    """Starts when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.starting = asyncio.Event()
        self.may_start = asyncio.Event()

    async def start(self, name: str) -> ServerStatus:
        self.starting.set()
        await self.may_start.wait()
        return await super().start(name)


@dataclass
class Service:
    servers: McpServers
    connections: ScriptedConnections
    recorder: EventRecorder
    store: Store
    news: McpNews

    def told(self) -> list[tuple[str, str, Any]]:
        return [
            (event.type, event.data["server"], event.data["correlation_id"])
            for event in self.recorder.events
            if event.type.startswith("mcp.")
        ]


@asynccontextmanager
async def serving(
    store: Store, policy: ServersPolicy = POLICY, connections: ScriptedConnections | None = None
) -> AsyncIterator[Service]:
    clock = FakeClock()
    async with opened(store) as recorder:
        news = McpNews(store, clock, lambda server, outcome, seconds: None)
        connections = connections or ScriptedConnections(
            git=ScriptedServer([ScriptedTool(remote("log"))]),
            mine=ScriptedServer([ScriptedTool(remote("x"))]),
        )
        connections.watch = news
        servers = McpServers(
            store=store,
            connections=connections,
            news=news,
            policy=policy,
            agents=[new_agent("a", mcp_servers=("git",))],
            clock=clock,
            log=structlog.get_logger(),
        )
        await servers.load()
        yield Service(servers, connections, recorder, store, news)
        await servers.stop_all()


@pytest.fixture(params=ADAPTERS)
async def service(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Service]:
    async with serving(make_store(request.param, tmp_path)) as running:
        yield running


async def refused(code: str, awaitable: Any) -> AirbossError:
    with pytest.raises(AirbossError) as raised:
        await awaitable
    assert raised.value.code == code
    return raised.value


async def test_a_server_is_kept_defined_and_told(service: Service) -> None:
    view = await service.servers.create("mine", SPEC, CALLER)
    assert (view.server.origin, view.status.state) == (ServerOrigin.API, ServerState.STOPPED)
    assert service.connections.defined["mine"] == (MEANT, ServerOrigin.API)
    assert service.connections.defined["git"] == (ProcessSpec("mcp-server-git"), ServerOrigin.SETTINGS)
    assert [view.server.name for view in service.servers.views()] == ["git", "mine"]
    assert service.servers.view("git").agents == ("a",)
    await service.servers.update("mine", OTHER, CALLER)
    assert service.connections.defined["mine"][0] == ExternalSpec("https://other.example.com/mcp", {})
    await service.servers.delete("mine", CALLER)
    assert "mine" not in service.connections.defined
    assert service.told() == [
        (kind, "mine", "request-1")
        for kind in ("mcp.server_created", "mcp.server_updated", "mcp.server_deleted")
    ]


async def test_starts_and_stops_are_told_with_their_cause_and_audited(service: Service) -> None:
    assert (await service.servers.start("git", CALLER)).status.state is ServerState.RUNNING
    await service.recorder.seen("mcp.server_started")
    assert (await service.servers.stop("git", CALLER)).status.state is ServerState.STOPPED
    await service.recorder.seen("mcp.server_stopped")
    await service.connections.tools("git")
    await service.recorder.seen("mcp.server_started", times=2)
    assert service.told() == [
        ("mcp.server_started", "git", "request-1"),
        ("mcp.server_stopped", "git", "request-1"),
        ("mcp.server_started", "git", None),
    ]
    entries = await service.store.audit_entries(AuditQuery())
    assert [entry.draft.action.value for entry in entries] == ["server.stop", "server.start"]


async def test_two_of_one_name_at_once_make_one(service: Service) -> None:
    both = await asyncio.gather(
        *(service.servers.create("mine", spec, CALLER) for spec in (SPEC, OTHER)), return_exceptions=True
    )
    (error,) = (each for each in both if isinstance(each, AirbossError))
    assert error.code == "server_exists"
    assert [event[0] for event in service.told()] == ["mcp.server_created"]
    assert service.connections.defined["mine"][0] == MEANT, "what the store kept is what is used"


async def test_what_was_kept_last_is_what_is_used(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer of the first write comes late, as it may from a store over a network."""
    await service.servers.create("mine", SPEC, CALLER)
    update, is_written, may_answer = service.store.update_mcp_server, asyncio.Event(), asyncio.Event()

    async def late(*arguments: Any) -> Any:
        kept = await update(*arguments)
        if not is_written.is_set():
            is_written.set()
            await may_answer.wait()
        return kept

    monkeypatch.setattr(service.store, "update_mcp_server", late)
    first = asyncio.create_task(service.servers.update("mine", OTHER, CALLER))
    async with asyncio.timeout(DEADLINE_SECONDS):
        await is_written.wait()
    second = asyncio.create_task(service.servers.update("mine", SPEC, CALLER))
    for _ in range(100):
        await asyncio.sleep(0)
    may_answer.set()
    await asyncio.gather(first, second)
    (kept,) = await service.store.mcp_servers()
    assert kept.json_spec == SPEC
    assert service.connections.defined["mine"][0] == MEANT
    assert service.servers.view("mine").server.json_spec == SPEC


async def test_a_caller_who_goes_away_leaves_a_whole_change(service: Service) -> None:
    creating = asyncio.create_task(service.servers.create("mine", SPEC, CALLER))
    await asyncio.sleep(0)
    creating.cancel()
    with pytest.raises(asyncio.CancelledError):
        await creating
    # Changes come one after another: behind this one, the first is whole.
    await service.servers.create("other", OTHER, CALLER)
    assert set(service.connections.defined) == {"git", "mine", "other"}
    assert [kept.name for kept in await service.store.mcp_servers()] == ["mine", "other"]


async def test_a_store_that_fails_leaves_everything_as_it_was(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    await service.servers.create("mine", SPEC, CALLER)

    async def fail(*_: Any) -> Any:
        raise StorageUnavailableError("disk I/O error")

    for method in ("create_mcp_server", "update_mcp_server", "delete_mcp_server"):
        monkeypatch.setattr(service.store, method, fail)
    for change in (
        service.servers.create("new", SPEC, CALLER),
        service.servers.update("mine", OTHER, CALLER),
        service.servers.delete("mine", CALLER),
    ):
        with pytest.raises(StorageUnavailableError):
            await change
    assert set(service.connections.defined) == {"git", "mine"}
    assert service.connections.defined["mine"][0] == MEANT


async def test_a_delete_while_it_starts(tmp_path: Path) -> None:
    connections = SlowConnections()
    async with serving(make_store("memory", tmp_path), connections=connections) as service:
        await service.servers.create("mine", SPEC, CALLER)
        starting = asyncio.create_task(service.servers.start("mine", CALLER))
        async with asyncio.timeout(DEADLINE_SECONDS):
            await connections.starting.wait()
            await service.servers.delete("mine", CALLER)
            connections.may_start.set()
            await refused("unknown_server", starting)


async def test_the_settings_hide_a_kept_server_of_the_same_name(tmp_path: Path) -> None:
    async with serving(make_store("sqlite", tmp_path), ServersPolicy()) as before:
        await before.servers.create("git", SPEC, CALLER)
    async with serving(make_store("sqlite", tmp_path)) as hidden:
        view = hidden.servers.view("git")
        assert (view.server.origin, view.server.json_spec["command"]) == (
            ServerOrigin.SETTINGS,
            "mcp-server-git",
        )
        await refused("forbidden", hidden.servers.delete("git", CALLER))
    async with serving(make_store("sqlite", tmp_path), ServersPolicy()) as after:
        assert after.servers.view("git").server.json_spec == SPEC, "it was hidden, not lost"


async def test_a_kept_server_that_is_allowed_no_more_is_barred(tmp_path: Path) -> None:
    async with serving(make_store("sqlite", tmp_path)) as wide:
        await wide.servers.create("mine", {"command": "uvx"}, CALLER)
    async with serving(make_store("sqlite", tmp_path), ServersPolicy()) as narrow:
        assert "mine" not in narrow.connections.defined
        status = narrow.servers.view("mine").status
        assert (status.state, "mcp.allowed_commands" in (status.reason or "")) == (ServerState.FAILED, True)
        assert narrow.servers.states() == {"mine": ServerState.FAILED}
        await refused("forbidden", narrow.servers.start("mine", CALLER))
        assert (await narrow.servers.stop("mine", CALLER)).status.state is ServerState.FAILED
        found = await narrow.servers.tools("mine")
        assert found.error is not None
        assert found.error.code == "mcp_unavailable"
        view = await narrow.servers.update("mine", SPEC, CALLER)
        assert view.status.state is ServerState.STOPPED, "another spec frees it"
        await narrow.servers.delete("mine", CALLER)


async def test_tools_of_a_server_that_cannot_be_used_are_an_error_and_no_failure(service: Service) -> None:
    service.connections.servers["git"].broken = "it does not answer"
    found = await service.servers.tools("git")
    assert found.tools == ()
    assert found.error is not None
    assert found.error.to_dict() == {
        "code": "mcp_unavailable",
        "type": "tool",
        "message": "it does not answer",
        "details": {"reason": "it does not answer", "server": "git"},
    }


@pytest.mark.parametrize(
    ("spec", "would"),
    [
        (SPEC, "connects to https://mcp.example.com/mcp, with the headers K"),
        ({"command": "uvx", "args": ["a", "b"]}, "starts the process uvx a b on this node"),
    ],
)
async def test_a_check_tries_and_keeps_nothing(service: Service, spec: dict[str, Any], would: str) -> None:
    service.connections.servers["check"] = ScriptedServer([ScriptedTool(remote("x"))])
    view = await service.servers.check("mine", spec)
    assert (view.would, [tool.name for tool in view.found.tools], view.found.error) == (would, ["x"], None)
    assert service.connections.checked[0][1] is ServerOrigin.API
    assert set(service.connections.defined) == {"git"}
    assert service.told() == []
    service.connections.servers["check"].broken = "no such host"
    view = await service.servers.check(None, spec)
    assert view.found.error is not None
    assert view.found.error.details == {"reason": "no such host"}


async def test_what_is_not_allowed_is_not_even_tried(service: Service) -> None:
    await refused("forbidden", service.servers.check(None, {"command": "sh"}))
    await refused(
        "invalid_body", service.servers.check(None, {"command": "uvx", "env": {"API_KEY": "hunter2"}})
    )
    await refused("server_exists", service.servers.check("git", SPEC))
    assert service.connections.checked == []


async def test_news_that_cannot_be_written_hold_up_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise StorageUnavailableError("disk I/O error")

    monkeypatch.setattr(service.store, "announce", fail)
    service.news.on_failed("git", "it ended")
    await service.news.stop()
    assert service.told() == []


async def test_the_end_closes_the_connections(tmp_path: Path) -> None:
    async with serving(make_store("memory", tmp_path)) as service:
        pass
    assert service.connections.is_closed
